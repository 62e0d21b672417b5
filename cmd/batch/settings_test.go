package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// Runs of two books don't keep each other away, also where both are of one table.
func TestRunNameIsTheBooks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ env, want string }{
		{"", "invoices"},
		{`INVOICES_TABLE=billing."Invoice"`, `billing."Invoice"`}, // as older programs have it
		{"LEDGER_SCHEMA=refunds", "refunds.invoices"},
		{`LEDGER_SCHEMA="Refunds" INVOICES_TABLE=billing."Invoice"`, "Refunds.Invoice"},
		{"LEDGER_SCHEMA=refunds RUN_NAME=nightly", "nightly"},
	} {
		environ := append(strings.Fields(c.env), "DATABASE_URL=postgres://db.example/app")
		s, err := app{environ: environ}.settings(config.Database)
		if err != nil || s.RunName != c.want {
			t.Errorf("%s: %q, %v, want %q", c.env, s.RunName, err, c.want)
		}
	}
}

// What a DBA may have set for a database or a role: all is sent once, or the
// run is refused before anything is touched.
func TestSettingsOfADBA(t *testing.T) {
	t.Parallel()
	const here = "alter database %[1]s set "
	// Each row that is looked at takes a while: with a hundred of them, a scan is
	// longer than the DBA allows a statement.
	const slow = "INVOICES_PENDING=pending and pg_sleep(0.005) is not null"
	for _, c := range []struct {
		name, sql string
		env       []string
		exit      int
		says      string
	}{
		{name: "idle_in_transaction", sql: here + "idle_in_transaction_session_timeout = '900ms'"},
		{name: "idle_session", sql: here + "idle_session_timeout = '900ms'"},
		{name: "statement_timeout", sql: here + "statement_timeout = '200ms'", env: []string{slow}},
		{name: "lock_timeout", sql: here + "lock_timeout = '1ms'"},
		{name: "repeatable_read", sql: here + "default_transaction_isolation = 'repeatable read'"},
		{name: "serializable", sql: here + "default_transaction_isolation = 'serializable'"},
		{name: "synchronous_commit", sql: here + "synchronous_commit = off"},
		{
			name: "read_only", sql: here + "default_transaction_read_only = on",
			exit: billing.ExitRefused, says: "default_transaction_read_only to off",
		},
		{
			name: "search_path", sql: "create schema elsewhere; " + here + "search_path = elsewhere",
			exit: billing.ExitUsage, says: `INVOICES_TABLE: there is no table \"invoices\" in this database; did you mean public.invoices?`,
		},
		{
			name: "search_path_named", sql: "create schema elsewhere; " + here + "search_path = elsewhere",
			env: []string{"INVOICES_TABLE=public.invoices"},
		},
		{
			name: "lock_functions_of_another_schema", exit: billing.ExitRefused, says: "a second connection got the lock",
			sql: `create function public.pg_try_advisory_xact_lock(integer, integer) returns boolean language sql as 'select true';` +
				here + "search_path = public, pg_catalog",
		},
		{name: "row_security_lets_all_through", sql: rowSecurity + "create policy all_of_them on invoices to clerk_%[1]s using (true)", env: []string{"role"}},
		{
			name: "row_security_off", sql: rowSecurity + "alter role clerk_%[1]s set row_security = off", env: []string{"role"},
			exit: billing.ExitUsage, says: "row-level security",
		},
	} {
		for _, pool := range []string{"direct", "transaction"} {
			t.Run(c.name+"_"+pool, func(t *testing.T) {
				t.Parallel()
				const invoices = 100
				var api billingfake.Config
				if strings.HasPrefix(c.name, "idle") {
					api.Latency = time.Second // longer than the DBA lets a connection idle
				}
				b := newBook(t, invoices, api)
				if c.name == "idle_session" && query[int](b, "select current_setting('server_version_num')::int") < 140000 {
					t.Skip("PostgreSQL has this setting since version 14")
				}
				database := query[string](b, "select current_database()")
				b.execute(fmt.Sprintf(c.sql, database))
				url, env := b.url, c.env
				if len(env) == 1 && env[0] == "role" {
					url, env = roleURL(t, url, "clerk_"+database, "x"), nil
					if pool != "direct" {
						t.Skip("the pooler has one user for all")
					}
					t.Cleanup(func() { b.execute("drop owned by clerk_" + database + "; drop role clerk_" + database) })
				}
				if pool != "direct" {
					env = append([]string{"LOCK_DATABASE_URL=" + url}, env...)
					url = pgtest.PgBouncer(t, url, pool)
				}
				p := b.start(append([]string{"DATABASE_URL=" + url, "INVOICES_MARK_SENT=pending = false"}, env...)...)
				p.wantExit(c.exit)
				if c.exit != 0 {
					if !strings.Contains(p.output(), c.says) {
						t.Errorf("it does not say %q:\n%s", c.says, p.output())
					}
					if c := b.api.Counts(); c.Requests != 0 {
						t.Errorf("%d requests were made", c.Requests)
					}
					return
				}
				if c := b.api.Counts(); c.Requests != invoices || c.Effects != invoices {
					t.Errorf("%d requests with %d effects for %d invoices", c.Requests, c.Effects, invoices)
				}
				b.wantStates("sent/false=100")
			})
		}
	}
}

// rowSecurity makes a role that sees only those rows that a policy shows it.
const rowSecurity = `create role clerk_%[1]s login password 'x';
	grant usage on schema public, billonce to clerk_%[1]s;
	grant select, update on invoices to clerk_%[1]s;
	grant select, insert, update, delete on all tables in schema billonce to clerk_%[1]s;
	grant usage on all sequences in schema billonce to clerk_%[1]s;
	alter table invoices enable row level security;`
