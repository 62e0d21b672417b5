package pgstore_test

import (
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"billonce/internal/billing"
	"billonce/internal/billing/book"
	"billonce/internal/billing/pgstore"
	"billonce/sql"
)

// firstVersion makes the ledger as the first version of the schema was.
func firstVersion(t *testing.T, cfg *pgx.ConnConfig, keyType string) {
	t.Helper()
	all, err := sql.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(all, "001_ledger.sql")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	execute(t, cfg, "create schema billonce")
	m, err := migrate.NewMigrator(t.Context(), conn, "billonce.schema_version")
	if err != nil {
		t.Fatal(err)
	}
	m.Data = map[string]any{"schema": "billonce", "key_type": keyType}
	if err := m.LoadMigrations(fstest.MapFS{"001_ledger.sql": {Data: text}}); err != nil {
		t.Fatal(err)
	}
	if err := m.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A ledger of the first version, filled, is upgraded as it is, and its next
// attempts and decisions are kept.
func TestUpgradeOfAFilledLedger(t *testing.T) {
	t.Parallel()
	cfg := emptyDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 3); err != nil {
		t.Fatal(err)
	}
	firstVersion(t, cfg, "bigint")
	execute(t, cfg, `insert into billonce.deliveries
		(invoice_id, state, attempt, run_attempt, idempotency_key, body_sha256, doubtful, run_id, first_sent_at, updated_at, deadline_at, due_at)
		select n, s, n, 1, gen_random_uuid(), sha256('x'), s = 'in_doubt', gen_random_uuid(), now(), now(), now(), case s when 'retry' then now() end
		from (values (1, 'sent'), (2, 'retry'), (3, 'in_doubt')) v (n, s)`)
	// Later versions add columns; they change none.
	const all = `select string_agg((to_jsonb(d) - 'reply_id')::text, E'\n' order by invoice_id) from billonce.deliveries d`
	before := query[string](t, cfg, all)
	m, err := pgstore.Migrate(t.Context(), cfg, book.Demo())
	if err != nil || m.From != 1 || m.To < 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	if after := query[string](t, cfg, all); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
	s, _ := openStore(t, cfg, "advisory")
	if came := resolve(t, s, read(t, s, "3"), billing.Retry); came != billing.ResolvedFully {
		t.Errorf("came to %v", came)
	}
	var a api
	newRunner(t, cfg, &a, "advisory", nil).Run(t.Context(), nil)
	got := query[string](t, cfg, "select string_agg(invoice_id || ' ' || kind || ' ' || attempt || ' ' || state, ', ' order by entry) from billonce.history")
	if want := "3 decision 3 in_doubt, 2 attempt 2 retry, 3 attempt 3 retry"; got != want {
		t.Errorf("history %q, want %q", got, want)
	}
}

// What is added to a ledger has its key's type, and gets another with it.
func TestUpgradeBeforeTheTable(t *testing.T) {
	t.Parallel()
	cfg := emptyDB(t)
	firstVersion(t, cfg, "bigint")
	execute(t, cfg, "create table invoices (id uuid primary key default gen_random_uuid(), pending boolean default true, sent_at timestamptz)")
	m, err := pgstore.Migrate(t.Context(), cfg, book.Demo())
	if err != nil || m.Retyped != "bigint" || m.KeyType != "uuid" {
		t.Fatalf("%+v, %v", m, err)
	}
	const types = `select string_agg(format_type(atttypid, null), ' ') from pg_attribute
		where attrelid in ('billonce.deliveries'::regclass, 'billonce.history'::regclass) and attname = 'invoice_id'`
	if got := query[string](t, cfg, types); got != "uuid uuid" {
		t.Errorf("types of the keys: %s", got)
	}
}

// The way of nearly all deliveries, one attempt that is accepted, leaves no row
// in the history; each further attempt leaves one, as its predecessor ended.
func TestHistoryKeepsSupersededAttempts(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 5)
	a := api{reply: func(m billing.Message, n int) billing.Reply {
		if m.InvoiceID == "3" && n < 3 {
			return billing.Reply{Outcome: billing.NotSent, Status: 429, Reason: "HTTP 429"}
		}
		return billing.Reply{Outcome: billing.Accepted}
	}}
	newRunner(t, cfg, &a, "advisory", nil).Run(t.Context(), nil)
	execute(t, cfg, "update billonce.deliveries set attempt = attempt") // a DBA's, say: no new attempt
	got := query[string](t, cfg, `select string_agg(h.invoice_id || ' ' || h.attempt || ' ' || h.state || ' ' || coalesce(h.http_status, 0) || ' ' || coalesce(h.error, '')
		|| ' ' || (h.run_id = d.run_id) || ' ' || (h.settled_at <= h.recorded_at), ', ' order by entry)
		from billonce.history h join billonce.deliveries d using (invoice_id)`)
	if want := "3 1 retry 429 HTTP 429 true true, 3 2 retry 429 HTTP 429 true true"; got != want {
		t.Errorf("history %q, want %q", got, want)
	}
}

// The history tells each attempt's outcome as it was before anybody decided.
func TestHistoryOfAttemptsAndDecisions(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	person, _ := openStore(t, cfg, "advisory")
	orphans(t, cfg, "1") // attempt 1: its runner died
	n := 0
	a := api{reply: func(billing.Message, int) billing.Reply {
		n++
		return []billing.Reply{
			{Outcome: billing.Unknown, Status: 500, Reason: "HTTP 500"},         // 2
			{Outcome: billing.NotSent, Status: 429, Reason: "HTTP 429"},         // 3
			{Outcome: billing.Refused, Status: 402, Reason: "HTTP 402 no card"}, // 4: in doubt, since 1 or 2 may have acted
			{Outcome: billing.Refused, Status: 402, Reason: "HTTP 402 no card"}, // 5: failed
			{Outcome: billing.Accepted, Status: 200},                            // 6
		}[n-1]
	}}
	idempotent := func(c *billing.Config) { c.Idempotent = true }
	newRunner(t, cfg, &a, "advisory", idempotent).Run(t.Context(), nil)
	for _, want := range []billing.State{billing.InDoubt, billing.Failed} {
		execute(t, cfg, deadlinePasses)
		d := read(t, person, "1")
		if d.State != want {
			t.Fatalf("%+v, want it %s", d, want)
		}
		if came := resolve(t, person, d, billing.Retry); came != billing.ResolvedFully {
			t.Fatal(came)
		}
		newRunner(t, cfg, &a, "advisory", idempotent).Run(t.Context(), nil)
	}
	h, err := person.History(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(h.State, " ", h.Invoice, ":")
	var last time.Time
	for _, at := range h.Attempts {
		got += fmt.Sprintf(" %d %s %s %d %t", at.Attempt, at.Outcome, at.State, at.HTTPStatus, at.SettledAt != nil)
		for _, d := range at.Decisions {
			got += fmt.Sprintf(" (%s>%s by %s: %s)", d.From, d.To, d.By, d.Reason)
		}
		got += ";"
		if at.BegunAt == nil || at.BegunAt.Before(last) {
			t.Errorf("attempt %d began at %v, the one before it at %v", at.Attempt, at.BegunAt, last)
		} else {
			last = *at.BegunAt
		}
	}
	want := "sent not pending:" +
		" 1 unknown sending 0 false;" +
		" 2 unknown retry 500 true;" +
		" 3 not_sent retry 429 true;" +
		" 4 unknown in_doubt 402 true (in_doubt>retry by ada@desk: I looked);" +
		" 5 refused failed 402 true (failed>retry by ada@desk: I looked);" +
		" 6 accepted sent 200 true;"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
