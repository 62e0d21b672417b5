package main

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/jackc/pgx/v5"

	"billonce/internal/billing/billingfake"
)

// The one invoice whose answer gets lost is billed all the same.
func TestTutorial(t *testing.T) {
	t.Parallel()
	api := billingfake.New(billingfake.Config{Fault: func(r billingfake.Received) billingfake.Fault {
		if r.Invoice == "R-1042" {
			return billingfake.ApplyThenReset{}
		}
		return nil
	}})
	t.Cleanup(api.Close)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	d := recipe(t, "../tutorial.md", map[string]string{"http://127.0.0.1:8080": server.URL})
	t.Cleanup(func() { // roles are the server's, not the database's
		conn, err := pgx.Connect(context.WithoutCancel(t.Context()), d.url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		if err := conn.PgConn().Exec(context.WithoutCancel(t.Context()), "drop owned by billing_runner; drop role billing_runner").Close(); err != nil {
			t.Error(err)
		}
	})
	const asRunner = "postgres://billing_runner:secret@db.example/app?sslmode=verify-full"
	d.replace[asRunner] = roleURL(t, d.url, "billing_runner", "secret")
	d.run()
	if sum := api.Summary(); sum.Effects != 201 || sum.Requests != 201 {
		t.Errorf("%+v, want each of 201 asked for and billed once", sum.Counts)
	}
}
