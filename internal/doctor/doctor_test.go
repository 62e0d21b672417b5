package doctor_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/doctor"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// examine is what the doctor finds, by its checks' names.
func examine(t *testing.T, url string, change func(*doctor.Subject)) map[string]doctor.Finding {
	t.Helper()
	cfg := parse(t, url)
	s := doctor.Subject{
		Main: cfg, Lock: cfg, OnePath: true, Book: book.Demo(), RunLock: "exclusive", Runners: 1,
		ClaimSize: 500, Longest: 30 * time.Second, Forgets: true, BillingURL: "http://" + plainServer(t) + "/{id}",
	}
	if change != nil {
		change(&s)
	}
	found := map[string]doctor.Finding{}
	for _, f := range doctor.Examine(t.Context(), s) {
		found[f.Check] = f
	}
	return found
}

// with changes the book's settings.
func with(change func(*book.Settings)) func(*doctor.Subject) {
	settings := book.Settings{Schema: "billonce", Invoices: "invoices", ID: "id", Pending: "pending", MarkSent: "pending = false, sent_at = now()"}
	change(&settings)
	return func(s *doctor.Subject) { s.Book, _ = book.Parse(settings) }
}

func TestDoctorIsContent(t *testing.T) {
	t.Parallel()
	for name, f := range examine(t, patient(t), nil) {
		if f.Verdict != doctor.OK || f.Remedy != "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// Each thing that can be wrong is found by its own check, which says what to do.
func TestDoctorFinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		check         string
		verdict       doctor.Verdict
		seen, remedy  string
		sql           string // run beforehand
		change        func(*doctor.Subject)
		session, mode string // statements of a session that stays; a pooler's mode
	}{
		{check: "pooler", verdict: doctor.Warning, mode: "session", seen: "through a pooler", remedy: "tcp_keepidle"},
		{check: "run lock", verdict: doctor.Refused, mode: "transaction", seen: "session advisory lock", remedy: "LOCK_DATABASE_URL"},
		{check: "invoice locks", verdict: doctor.Refused, mode: "statement", seen: "transaction blocks not allowed", remedy: "pool_mode"},
		{
			check: "recovery", verdict: doctor.Refused, sql: "alter database %s set default_transaction_read_only = on",
			seen: "read-only", remedy: "default_transaction_read_only",
		},
		{check: "lock table", verdict: doctor.Warning, change: func(s *doctor.Subject) { s.Runners = 60 }, seen: "60 runners", remedy: "max_locks_per_transaction"},
		{check: "lock table", verdict: doctor.Warning, change: func(s *doctor.Subject) { s.ClaimSize = 10000 }, seen: "instead of 30,000", remedy: "CLAIM_SIZE"},
		{check: "connections", verdict: doctor.Warning, change: func(s *doctor.Subject) { s.Runners = 60 }, seen: "60 runners may open 660 more", remedy: "max_connections"},
		{check: "connections", verdict: doctor.Warning, sql: "alter database %s connection limit 10", seen: "of 10 in use; one runner may open 11 more", remedy: "LIMIT of the database"},
		{check: "run lock", verdict: doctor.Refused, change: func(s *doctor.Subject) { s.Lock, s.OnePath = parse(t, pgtest.DB(t, "empty", nil)), false }, seen: "another database", remedy: "same database"},
		{check: "ledger", verdict: doctor.Refused, change: with(func(s *book.Settings) { s.Schema = "nowhere" }), seen: "missing", remedy: "batch migrate"},
		{check: "ledger", verdict: doctor.Refused, change: with(func(s *book.Settings) { s.Pending = "state = 'open'" }), seen: `column "state" does not exist`, remedy: "help environment"},
		{check: "ledger", verdict: doctor.Refused, change: func(s *doctor.Subject) { s.Columns = []string{"number"} }, seen: "number", remedy: "help environment"},
		{check: "key", verdict: doctor.Warning, sql: "alter table invoices drop constraint invoices_pkey", seen: "no unique index", remedy: `create unique index concurrently on "invoices" ("id");`},
		{check: "key", verdict: doctor.Warning, sql: "alter table invoices drop constraint invoices_pkey, add primary key (customer, id)", seen: "no unique index", remedy: "make a view"},
		{check: "ledger", verdict: doctor.Refused, sql: "alter table invoices drop constraint invoices_pkey; insert into invoices overriding system value select * from invoices where id = 1", seen: "not unique", remedy: `group by 1 having count(*) > 1`},
		{check: "key", verdict: doctor.OK, sql: "alter table invoices rename to billed; create view invoices as select * from billed", seen: "must name the zone"},
		{check: "mark", verdict: doctor.Refused, sql: "alter table invoices add check (pending)", seen: "violates check constraint", remedy: "INVOICES_MARK_SENT"},
		{check: "mark", verdict: doctor.Refused, sql: trigger("constraint trigger t after", "deferrable initially deferred", "raise 'not today'"), seen: "not today", remedy: "INVOICES_MARK_SENT"},
		{check: "mark", verdict: doctor.Warning, sql: trigger("trigger t before", "", "return null"), seen: "marks nothing", remedy: "trigger"},
		{check: "mark", verdict: doctor.Warning, sql: trigger("trigger t before", "", "raise query_canceled"), seen: "took longer than 10s", remedy: "trigger"},
		{check: "mark", verdict: doctor.Warning, change: with(func(s *book.Settings) { s.MarkSent = "sent_at = now()" }), seen: "still pending", remedy: "INVOICES_PENDING"},
		{check: "mark", verdict: doctor.OK, change: with(func(s *book.Settings) { s.MarkSent = "pending = false, customer = {reply.id}" }), seen: "depends on what the API replies"},
		{check: "mark", verdict: doctor.OK, change: with(func(s *book.Settings) { s.MarkSent = "pending = false, customer = coalesce({reply.id}, '')" }), seen: "was no longer pending"},
		{check: "mark", verdict: doctor.OK, session: "begin; select from invoices for update", seen: "somebody else is at work"},
		{check: "mark", verdict: doctor.OK, sql: "delete from invoices", seen: "no invoice is pending"},
		{check: "index", verdict: doctor.Warning, sql: largeAndBare, seen: "no index", remedy: "create index concurrently"},
		{check: "index", verdict: doctor.OK, sql: largeAndBare + "; create index served on invoices (id) where pending", seen: "served"},
		{check: "index", verdict: doctor.OK, sql: largeAndBare + "; create index served on invoices (pending, id)", seen: "served"},
		{check: "index", verdict: doctor.Warning, sql: largeAndBare + "; create index served on invoices (id) where pending", change: with(func(s *book.Settings) { s.OnePer = "customer" }), seen: "INVOICES_ONE_PER", remedy: `("customer", "id")`},
		{check: "index", verdict: doctor.OK, sql: largeAndBare + "; create index served on invoices (id) where pending; create index apart on invoices (customer, id)", change: with(func(s *book.Settings) { s.OnePer = "customer" }), seen: "apart finds"},
		{check: "fail-over", verdict: doctor.Refused, sql: `update billonce.ledger set accepted_identity = '{"database": "1"}'`, seen: "this is a copy of the database", remedy: "batch resume --accept-database"},
		{check: "fail-over", verdict: doctor.Warning, change: func(s *doctor.Subject) { s.Forgets = false }, seen: "nobody would notice", remedy: "take FAILOVER_LOSES_COMMITS=false away"},
		{check: "pause", verdict: doctor.Warning, sql: "update billonce.ledger set paused_at = now(), paused_by = 'ann', pause_reason = 'wrong prices'", seen: "ann has paused", remedy: "batch resume"},
		{check: "backlog", verdict: doctor.Warning, sql: delivery("failed"), seen: "1 failed", remedy: "batch resolve"},
		{check: "under way", verdict: doctor.Warning, sql: delivery("sending"), seen: "1 by runners that are gone", remedy: "Start a run"},
		{check: "foreign locks", verdict: doctor.Warning, session: "select pg_advisory_lock(7)", seen: "holds 1", remedy: "LOCK_NAMESPACE"},
		{check: "billing API", verdict: doctor.Refused, change: func(s *doctor.Subject) { s.BillingURL = "https://127.0.0.1:1/{id}" }, seen: "refused", remedy: "firewall"},
		{check: "billing API", verdict: doctor.Refused, change: func(s *doctor.Subject) { s.BillingURL = "https://" + plainServer(t) + "/{id}" }, seen: "tls", remedy: "certificate"},
		{check: "billing API", verdict: doctor.Warning, change: func(s *doctor.Subject) { s.BillingURL = "" }, seen: "not set", remedy: "Set BILLING_URL"},
	} {
		t.Run(strings.ReplaceAll(c.check, " ", "_"), func(t *testing.T) {
			t.Parallel()
			url := patient(t)
			if c.sql != "" {
				execute(t, url, strings.ReplaceAll(c.sql, "%s", parse(t, url).Database))
			}
			if c.session != "" {
				if _, err := connect(t, url).Exec(t.Context(), c.session); err != nil {
					t.Fatal(err)
				}
			}
			if c.mode != "" {
				url = pgtest.PgBouncer(t, url, c.mode)
			}
			f := examine(t, url, c.change)[c.check]
			if f.Verdict != c.verdict || !strings.Contains(f.Seen, c.seen) || !strings.Contains(f.Remedy, c.remedy) {
				t.Errorf("got %+v, want %s: %q, %q", f, c.verdict, c.seen, c.remedy)
			}
		})
	}
}

// trigger makes one on the updates of the invoices.
func trigger(kind, options, body string) string {
	return fmt.Sprintf(`create function meddle() returns trigger language plpgsql as $$ begin %s; end $$;
		create %s update on invoices %s for each row execute function meddle()`, body, kind, options)
}

// largeAndBare is a table that is too large to be read as a whole, without its
// index.
const largeAndBare = `drop index invoices_pending_idx;
	insert into invoices (customer, amount_cents, currency, due_date, pending)
	select repeat('x', 500), 1, 'EUR', current_date, false from generate_series(1, 20000);
	analyze invoices`

func delivery(state string) string {
	return fmt.Sprintf(`insert into billonce.deliveries
		(invoice_id, state, attempt, run_attempt, idempotency_key, body_sha256, run_id, first_sent_at, updated_at, deadline_at)
		select id, '%s', 1, 1, gen_random_uuid(), sha256(''), gen_random_uuid(), now(), now(), now() from invoices limit 1`, state)
}

// plainServer speaks no TLS: it hangs up on whoever tries.
func plainServer(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("who is there?\n"))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().String()
}
