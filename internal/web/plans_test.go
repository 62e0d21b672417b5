package web_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
)

// No page but a search reads a long ledger from end to end.
func TestPagesReadByIndex(t *testing.T) {
	t.Parallel()
	const long = 150_000 // more than a status counts
	s := serve(t, long, `update invoices set pending = id > 149000`,
		`insert into billonce.deliveries (invoice_id, idempotency_key, run_id, attempt, run_attempt, first_sent_at, deadline_at,
			updated_at, state, open_state, error, amount, currency, key_use)
		select id, gen_random_uuid(), gen_random_uuid(), 1, 1, now(), now(), now(), v.s, case v.s when 'sent' then null else v.s end, 'HTTP 503', id, 'EUR', 1
		from invoices, lateral (select case when id > 149000 then 'in_doubt' else 'sent' end) v (s)`,
		"vacuum analyze billonce.deliveries", "vacuum analyze invoices")
	for _, path := range []string{
		"/", "/decide", "/open?kind=in_doubt", "/open?kind=failed", "/open?kind=retry", "/open?kind=unmarked", "/open?kind=pending_again",
		"/open?kind=set_aside", "/invoice?id=1", "/invoice?id=" + strconv.Itoa(long), "/reconciled",
	} {
		if code, page := s.get("ann", path); code != 200 {
			t.Errorf("%s: %d\n%s", path, code, page)
		}
	}
	if n := s.wholeReads(t); n != "0" {
		t.Errorf("the ledger was read from end to end %s times", n)
	}
}

// wholeReads is how often the ledger was read from end to end. Sessions tell as they end
// (manual, 28.2): so they are ended.
func (s *served) wholeReads(t *testing.T) (n string) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for others := 1; others > 0; {
		if err := conn.QueryRow(t.Context(), `select count(pg_terminate_backend(pid)) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`).Scan(&others); err != nil {
			t.Fatal(err)
		}
	}
	err = conn.QueryRow(t.Context(), `select seq_scan::text from pg_stat_user_tables where relname = 'deliveries'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
