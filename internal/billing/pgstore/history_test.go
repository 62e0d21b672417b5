package pgstore_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/sql"
)

// ledgerOf makes a ledger as the migrations up to a version do.
func ledgerOf(t *testing.T, cfg *pgx.ConnConfig, version int, keyType string) {
	t.Helper()
	all, err := sql.Migrations()
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
	names, err := fs.Glob(all, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, name := range names[:version] {
		text, err := fs.ReadFile(all, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	m.Data = map[string]any{"schema": "billonce", "key_type": keyType}
	if err := m.LoadMigrations(files); err != nil {
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
	ledgerOf(t, cfg, 1, "bigint")
	execute(t, cfg, `insert into billonce.deliveries
		(invoice_id, state, attempt, run_attempt, idempotency_key, body_sha256, doubtful, run_id, first_sent_at, updated_at, deadline_at, due_at)
		select n, s, n, 1, gen_random_uuid(), sha256('x'), s = 'in_doubt', gen_random_uuid(), now(), now(), now(), case s when 'retry' then now() end
		from (values (1, 'sent'), (2, 'retry'), (3, 'in_doubt')) v (n, s)`)
	// Later versions add columns; they change none.
	const all = `select string_agg((to_jsonb(d) - array['reply_id', 'key_version', 'key_use', 'retry_since', 'submitted_at', 'request_sha256', 'lookup_sha256',
		'reply', 'amount', 'currency', 'gone_at'])::text, E'\n' order by invoice_id) from billonce.deliveries d`
	before := query[string](t, cfg, all)
	m, err := pgstore.Migrate(t.Context(), cfg, book.Demo())
	if err != nil || m.From != 1 || m.To < 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	if after := query[string](t, cfg, all); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
	resolve(t, cfg, "3", billing.Retry)
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
	ledgerOf(t, cfg, 1, "bigint")
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
	a := api{reply: func(m billing.Request, n int) billing.Reply {
		if m.InvoiceID == "3" && n < 3 {
			return billing.Reply{Outcome: billing.Throttled, Status: 429, Reason: "HTTP 429"}
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
