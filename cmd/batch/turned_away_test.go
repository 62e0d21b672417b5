package main

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
)

// Whatever command meets it: one mistake about the database is said once, with what to do
// about it, and no secret.
func TestTurnedAway(t *testing.T) {
	t.Parallel()
	b := newBook(t, 1, billingfake.Config{})
	role := "poor" + query[string](b, "select current_database()")
	b.execute("create role " + role + " login password 's3cret'")
	t.Cleanup(func() { b.execute("drop role " + role) })
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(b.url)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	for name, c := range map[string]struct{ url, want string }{
		"port":     {with(func(u *url.URL) { u.Host = "127.0.0.1:1" }), "DATABASE_URL: nothing listens at 127.0.0.1:1. Check host and port"},
		"password": {with(func(u *url.URL) { u.User = url.UserPassword(role, "wrong") }), "\n    \\password \"" + role + "\""},
		"database": {with(func(u *url.URL) { u.Path = "/nowhere" }), "\n    createdb nowhere"},
		"rights":   {roleURL(t, b.url, role, "s3cret"), "run `batch migrate --role " + role + "`"},
	} {
		for _, args := range [][]string{{"status"}, {"status", "--open"}, {"history", "1"}, {"run"}} {
			var out, faults bytes.Buffer
			environ := []string{"DATABASE_URL=" + c.url, "BILLING_URL=" + b.env["BILLING_URL"]}
			code := run(t.Context(), args, environ, &out, &faults)
			said := strings.NewReplacer(`\n`, "\n", `\\`, `\`, `\"`, `"`).Replace(faults.String()) // as a run's log has it
			if code == billing.ExitDone || strings.Count(said, c.want) != 1 || strings.Contains(said, "s3cret") || strings.Contains(said, "dial error") {
				t.Errorf("%s, %v: exit code %d:\n%s%s", name, args, code, &out, said)
			}
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"migrate", "--role", "no_such"}, []string{"DATABASE_URL=" + b.url}, &out, &out); code == 0 || !strings.HasSuffix(out.String(), "create role \"no_such\" login;\n") {
		t.Errorf("an unknown role: exit code %d:\n%s", code, &out)
	}
}
