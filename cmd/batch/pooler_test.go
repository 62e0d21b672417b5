package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// P6 with a real PgBouncer: what locks there sends each invoice once, what
// does not is refused before anything is touched.
func TestP6PgBouncer(t *testing.T) {
	t.Parallel()
	const direct = "direct"
	for _, c := range []struct {
		mode, runLock, lockURL string
		exit                   int
		says                   string
	}{
		{mode: "session", runLock: "exclusive"},
		{mode: "session", runLock: "off"},
		{mode: "transaction", runLock: "off"},
		{mode: "transaction", runLock: "exclusive", lockURL: direct},
		{mode: "transaction", runLock: "shared", lockURL: direct},
		{mode: "transaction", runLock: "exclusive", exit: billing.ExitRefused, says: "LOCK_DATABASE_URL"},
		{mode: "transaction", runLock: "shared", exit: billing.ExitRefused, says: "LOCK_DATABASE_URL"},
		{mode: "statement", runLock: "off", exit: billing.ExitRefused, says: "transaction blocks not allowed"},
		{mode: "statement", runLock: "exclusive", lockURL: direct, exit: billing.ExitRefused, says: "pool_mode"},
	} {
		name := c.mode + "_" + c.runLock
		if c.lockURL != "" {
			name += "_direct"
		}
		for _, strategy := range []string{"advisory", "row"} {
			t.Run(name+"_"+strategy, func(t *testing.T) {
				t.Parallel()
				const invoices = 300
				b := newBook(t, invoices, billingfake.Config{})
				env := []string{
					"DATABASE_URL=" + pgtest.PgBouncer(t, b.url, c.mode), "RUN_LOCK=" + c.runLock, "LOCK_STRATEGY=" + strategy,
				}
				if c.lockURL == direct {
					env = append(env, "LOCK_DATABASE_URL="+b.url)
				}
				runners := []*proc{b.start(env...)}
				if c.runLock != "exclusive" && c.exit == 0 {
					runners = append(runners, b.start(env...))
				}
				for _, p := range runners {
					p.wantExit(c.exit)
				}
				if c.exit != 0 {
					if out := runners[0].output(); !strings.Contains(out, c.says) || !strings.Contains(out, "refused, nothing was touched") {
						t.Errorf("it does not say %q:\n%s", c.says, out)
					}
					b.wantStates("none/true=300")
					return
				}
				wantOneEffectEach(t, b, invoices)
				b.wantStates("sent/false=300")
			})
		}
	}
}

// People's commands work through a pooler in transaction mode, too; the
// migration needs a session of its own, and says so.
func TestCommandsThroughPgBouncer(t *testing.T) {
	t.Parallel()
	b := newBook(t, 20, billingfake.Config{})
	pooled := pgtest.PgBouncer(t, b.url, "transaction")
	batch := func(want int, says string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		env := []string{"DATABASE_URL=" + pooled}
		if got := run(t.Context(), args, env, &out, &out); got != want || !strings.Contains(out.String(), says) {
			t.Errorf("batch %s: exit %d, want %d and %q:\n%s", strings.Join(args, " "), got, want, says, &out)
		}
	}
	batch(billing.ExitRefused, "LOCK_DATABASE_URL", "migrate")
	for n := range 10 { // each time on another of the pooler's connections, or not
		batch(0, "Added 1 pending", "seed", "1")
		batch(0, fmt.Sprint(21+n), "status")
		batch(0, `"pending"`, "status", "--json")
	}
	b.start("DATABASE_URL="+pooled, "LOCK_DATABASE_URL="+b.url).wantExit(0)
	batch(0, "sent", "history", "7")
	query[int](b, "update billonce.deliveries set state = 'failed' where invoice_id = 7 returning 1")
	batch(0, "cancelled", "resolve", "7", "--cancel", "--reason", "tried by a test")
}

// Another client of a pooler leaves its search path behind on every connection: the
// invoices are those of the table that the ledger belongs to all the same, for a run and
// for people.
func TestP10LeakedSearchPath(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			b := newBook(t, 20, billingfake.Config{})
			b.execute("create schema tenant; create table tenant.invoices (like public.invoices including all); " +
				"insert into tenant.invoices overriding system value select * from public.invoices where id < 10")
			pooled := pgtest.PgBouncer(t, b.url, "transaction", "default_pool_size = 6")
			var clients []*pgx.Conn
			for range 6 { // at the same time: each on a connection of its own
				conn, err := pgx.Connect(t.Context(), pooled)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close(context.Background())
				if err := conn.PgConn().Exec(t.Context(), "begin; set search_path to tenant, public").Close(); err != nil {
					t.Fatal(err)
				}
				clients = append(clients, conn)
			}
			for _, conn := range clients {
				if err := conn.PgConn().Exec(t.Context(), "commit").Close(); err != nil {
					t.Fatal(err)
				}
			}
			b.start("DATABASE_URL="+pooled, "LOCK_DATABASE_URL="+b.url, "LOCK_STRATEGY="+strategy).wantExit(0)
			wantOneEffectEach(t, b, 20)
			b.wantStates("sent/false=20")
			if n := query[int](b, "select count(*) from tenant.invoices where pending"); n != 9 {
				t.Errorf("%d of another tenant's 9 invoices are pending still", n)
			}
			var out bytes.Buffer
			if code := run(t.Context(), []string{"status", "--json"}, []string{"DATABASE_URL=" + pooled}, &out, &out); code != 0 || !strings.Contains(out.String(), `"pending": 0`) {
				t.Errorf("status: exit %d:\n%s", code, &out)
			}
		})
	}
}

// P6: advisory locks are each database's own.
func TestP6RunLockInAnotherDatabase(t *testing.T) {
	t.Parallel()
	b := newBook(t, 10, billingfake.Config{})
	p := b.start("LOCK_DATABASE_URL=" + pgtest.DB(t, "empty", nil))
	p.wantExit(billing.ExitRefused)
	if !strings.Contains(p.output(), "leads to another database") {
		t.Errorf("it does not say why:\n%s", p.output())
	}
	b.wantStates("none/true=10")
}
