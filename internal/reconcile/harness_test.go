package reconcile_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
	"github.com/billonce/billonce/internal/reconcile"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// shop is a database with the demo's table, its ledger, and n pending invoices.
type shop struct {
	testing.TB
	cfg *pgx.ConnConfig
}

func newShop(t testing.TB, n int) shop {
	t.Helper()
	url := pgtest.DB(t, "reconcile", func(ctx context.Context, url string) error {
		cfg, err := pgstore.ParseURL(url, "test")
		if err != nil {
			return err
		}
		if err := pgstore.Seed(ctx, cfg, 0); err != nil {
			return err
		}
		_, err = pgstore.Migrate(ctx, cfg, book.Demo())
		return err
	})
	cfg, err := pgstore.ParseURL(url, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := pgstore.Seed(t.Context(), cfg, n); err != nil {
		t.Fatal(err)
	}
	return shop{t, cfg}
}

// deliver puts deliveries into a state: of 10.50 EUR, first sent an hour ago.
func (s shop) deliver(state string, from, to int) {
	s.Helper()
	s.execute(fmt.Sprintf(`insert into billonce.deliveries
		(invoice_id, idempotency_key, run_id, attempt, run_attempt, first_sent_at, deadline_at, updated_at, due_at, retry_since, state, open_state, amount, currency)
		select n, gen_random_uuid(), gen_random_uuid(), 1, 1, now() - interval '1 hour', now() - interval '50 minutes', now(),
		       case when '%[1]s' in ('retry', 'submitted') then now() end, case when '%[1]s' = 'retry' then now() end, '%[1]s',
		       case when '%[1]s' in ('unmarked', 'failed', 'retry', 'submitted', 'in_doubt') then '%[1]s' end, 10.50, 'EUR'
		from generate_series(%[2]d, %[3]d) n;
		update invoices set pending = false where '%[1]s' = 'sent' and id between %[2]d and %[3]d`, state, from, to))
}

func (s shop) execute(statement string) {
	s.Helper()
	conn, err := pgx.ConnectConfig(s.Context(), s.cfg)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.PgConn().Exec(s.Context(), statement).Close(); err != nil {
		s.Fatalf("%s: %v", statement, err)
	}
}

func (s shop) read(statement string) (text string) {
	s.Helper()
	conn, err := pgx.ConnectConfig(s.Context(), s.cfg)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(s.Context(), statement).Scan(&text); err != nil {
		s.Fatalf("%s: %v", statement, err)
	}
	return text
}

// ledger has each delivery with its state, and a star where its invoice is pending.
func (s shop) ledger() string {
	s.Helper()
	return s.read(`select coalesce(string_agg(d.invoice_id || ':' || d.state || case when i.pending then '*' else '' end, ' ' order by d.invoice_id), '')
		from billonce.deliveries d left join invoices i on i.id = d.invoice_id`)
}

// list is a list that was held against the shop's ledger.
type list struct {
	shop
	*reconcile.Reconciliation
	reconcile.Report
}

func (s shop) reconcile(text string, with ...func(*reconcile.Config)) list {
	s.Helper()
	l, err := s.tryReconcile(text, with...)
	if err != nil {
		s.Fatal(err)
	}
	return l
}

func (s shop) tryReconcile(text string, with ...func(*reconcile.Config)) (l list, err error) {
	s.Helper()
	demo := book.Demo()
	c := reconcile.Config{
		Conn: pgstore.Unprepared(s.cfg), Book: pgstore.DeskBook{Book: demo}, MarkSent: demo.MarkSent.Text, Pending: demo.Pending,
		File: "list.csv", By: "eve", LookupAfter: 30 * time.Second,
	}
	for _, w := range with {
		w(&c)
	}
	r, err := reconcile.Open(s.Context(), c)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			s.Error(err)
		}
	})
	if err := r.Read(s.Context(), strings.NewReader(text)); err != nil {
		return l, err
	}
	rep, err := r.Compare(s.Context())
	return list{s, r, rep}, err
}

func acted(statuses ...string) func(*reconcile.Config) {
	return func(c *reconcile.Config) { c.Form.Acted = statuses }
}

// lastHours are bounds that hold what deliver does.
func lastHours(c *reconcile.Config) {
	since, until := time.Now().Add(-2*time.Hour), time.Now().Add(-time.Minute)
	c.Since, c.Until = &since, &until
}

// figures are the counts of the kinds that there are.
func (l list) figures() string {
	var parts []string
	for _, k := range append([]reconcile.Kind{reconcile.Agreed}, append(reconcile.Differences(), reconcile.UnderWay, reconcile.Earlier, reconcile.NotActed)...) {
		if n := l.Count(k); n > 0 {
			parts = append(parts, fmt.Sprintf("%s:%d", k, n))
		}
	}
	return strings.Join(parts, " ")
}

func (l list) wantFigures(want string) {
	l.Helper()
	if got := l.figures(); got != want {
		l.Errorf("figures %q, want %q", got, want)
	}
}

// resolve decides as --resolve --yes does.
func (l list) resolve() error {
	l.Helper()
	if err := l.Trust(l.Context(), l.Report); err != nil {
		return err
	}
	d, err := pgdesk.Open(l.Context(), pgstore.Unprepared(l.cfg), pgstore.DeskBook{Book: book.Demo()})
	if err != nil {
		l.Fatal(err)
	}
	defer d.Close(context.Background())
	_, err = l.Resolve(l.Context(), d, l.Report, func(desk.Change) error { return nil })
	return err
}

// adopt decides as --adopt --yes does.
func (l list) adopt() (reconcile.Adopted, error) {
	l.Helper()
	if err := l.Trust(l.Context(), l.Report); err != nil {
		return reconcile.Adopted{}, err
	}
	if _, _, err := l.Adoptable(l.Context()); err != nil {
		return reconcile.Adopted{}, err
	}
	return l.Adopt(l.Context(), l.Report, func(reconcile.Adopted) {})
}

func (s shop) wantLedger(want string) {
	s.Helper()
	if got := s.ledger(); got != want {
		s.Errorf("ledger %q, want %q", got, want)
	}
}

func parse(t *testing.T, text string) uuid.UUID {
	t.Helper()
	id, err := uuid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
