package main

import (
	"net/url"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// P12: in a copy of the database nothing is sent where a repeat would bill again, until a
// person says that it has forgotten nothing; with keys the run goes on, and the ledger
// trusts the copy after it.
func TestP12CopyOfTheDatabaseIsNoticed(t *testing.T) {
	t.Parallel()
	for _, idempotent := range []bool{false, true} {
		b := newBook(t, 5, billingfake.Config{Idempotent: idempotent})
		p := b.start()
		p.wantExit(billing.ExitDone)
		b.execute("update invoices set pending = true, sent_at = null; delete from billonce.deliveries; delete from billonce.history")
		original := query[string](b, "select current_database()")
		b.moveTo(original + "_copy")
		if idempotent {
			p := b.start()
			p.wantExit(billing.ExitDone)
			if out := p.output(); !strings.Contains(out, `"event":"another_database"`) {
				t.Errorf("it is not named:\n%s", out)
			}
			if c := b.api.Counts(); c.Effects != 5 {
				t.Errorf("%d effects, want 5", c.Effects)
			}
			if n := query[int](b, "select count(*)::int from billonce.ledger where found_identity is null and accepted_by = 'batch run'"); n != 1 {
				t.Error("the copy is not trusted afterwards")
			}
			continue
		}
		refused := b.start()
		refused.wantExit(billing.ExitRefused)
		if out := refused.output(); !strings.Contains(out, "batch resume --accept-database") || b.api.Counts().Requests != 5 {
			t.Errorf("%d requests:\n%s", b.api.Counts().Requests, out)
		}
		b.command("resume", "--accept-database", "--reason", "the list has none of them")
		q := b.start()
		q.wantExit(billing.ExitDone)
	}
}

// moveTo copies the book's database, and goes on in the copy.
func (b *book) moveTo(name string) {
	b.t.Helper()
	u, err := url.Parse(b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	original := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	here := b.url
	b.url = u.String()
	b.execute(`create database "` + name + `" template "` + original + `"`)
	u.Path = "/" + name
	b.url = u.String()
	b.env["DATABASE_URL"] = b.url
	b.t.Cleanup(func() {
		u.Path = "/postgres"
		b.url = u.String()
		b.execute(`drop database "` + name + `" with (force)`)
		b.url = here
	})
}

// P12: what loses nothing and makes no copy is no question.
func TestP12NoFalseAlarm(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t, nil)
	b := newBookAt(t, server.URL("postgres"), 5, billingfake.Config{})
	restart := func(immediate bool) func() {
		return func() {
			if err := server.Restart(t.Context(), immediate); err != nil {
				t.Fatal(err)
			}
			b.url = server.URL("postgres")
			b.env["DATABASE_URL"] = b.url
		}
	}
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"the first run", func() {}},
		{"a restart", restart(false)},
		{"a crash", restart(true)},
		{"vacuum full", func() {
			for _, table := range []string{"ledger", "deliveries", "runs"} {
				b.execute("vacuum full billonce." + table)
			}
		}},
		{"reindex", func() { b.execute("reindex schema billonce") }},
		{"migrate", func() { b.command("migrate") }},
	} {
		c.do()
		b.start("RUN_LIMIT=1").wantExit(billing.ExitDone)
		if t.Failed() {
			t.Fatalf("after %s", c.name)
		}
	}
}
