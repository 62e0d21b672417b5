package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/doctor"
	"github.com/billonce/billonce/internal/pgerr"
)

// The whole job as the role that `batch migrate --role` has equipped: it can do
// that, and nothing else.
func TestRunAsARoleWithNoMoreThanItNeeds(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		const invoices = 100
		b := newBook(t, invoices, billingfake.Config{Idempotent: true, Fault: func(r billingfake.Received) billingfake.Fault {
			if r.Attempt == 1 && strings.HasSuffix(r.Invoice, "7") {
				return billingfake.ApplyThen500{} // a second attempt: the history's trigger runs
			}
			return nil
		}})
		role := `Clerk "` + query[string](b, "select current_database()") + `"`
		quoted := pgx.Identifier{role}.Sanitize()
		b.execute("create role " + quoted + " login password 'x'; create table payroll (name text)")
		t.Cleanup(func() { b.execute("drop owned by " + quoted + "; drop role " + quoted) })
		asRole := roleURL(t, b.url, role, "x")

		missing := b.examine(5, nil, []string{"DATABASE_URL=" + asRole})["rights"]
		if missing.Verdict != doctor.Refused || !strings.Contains(missing.Seen, "usage on schema") || !strings.Contains(missing.Remedy, "migrate --role") {
			t.Errorf("before the grants: %+v", missing)
		}
		var out bytes.Buffer
		if code := run(t.Context(), []string{"migrate", "--role", quoted}, []string{"DATABASE_URL=" + b.url}, &out, &out); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, &out)
		}
		if !strings.Contains(out.String(), `grant update ("pending", "sent_at") on table "public"."invoices" to `+quoted+";") {
			t.Errorf("it does not show what it granted:\n%s", &out)
		}
		if f := b.examine(0, nil, []string{"DATABASE_URL=" + asRole})["rights"]; f.Verdict != doctor.OK {
			t.Errorf("after the grants: %+v", f)
		}

		b.start(strategy, "DATABASE_URL="+asRole).wantExit(0)
		wantOneEffectEach(t, b, invoices)
		b.wantStates("sent/false=100")
		for _, args := range [][]string{{"status"}, {"history", "7"}} {
			if code := run(t.Context(), args, []string{"DATABASE_URL=" + asRole}, &out, &out); code != 0 {
				t.Errorf("%v: exit code %d:\n%s", args, code, &out)
			}
		}

		conn, err := pgx.Connect(t.Context(), asRole)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		for _, statement := range []string{
			"select * from payroll",
			"delete from invoices",
			"insert into invoices (customer, amount_cents, currency, due_date) values ('me', 1, 'EUR', now())",
			"update invoices set amount_cents = 0",
			"delete from billonce.deliveries",
			"update billonce.ledger set id = gen_random_uuid()",
			"update billonce.history set reason = 'none'",
			"create table billonce.mine ()",
		} {
			_, err := conn.Exec(t.Context(), statement)
			if !pgerr.Is(err, pgerrcode.InsufficientPrivilege) {
				t.Errorf("%s: %v, want SQLSTATE 42501, insufficient privilege", statement, err)
			}
		}
	})
}
