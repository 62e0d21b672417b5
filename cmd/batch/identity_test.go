package main

import (
	"net/url"
	"strings"
	"testing"

	"billonce/internal/billing"
	"billonce/internal/billing/billingfake"
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
