package matrix_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/billingfake"
	demo "github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// book is a database with demo invoices, used for one test after the other.
type book struct {
	program, url string
}

func newBook(t *testing.T, program string) *book {
	t.Helper()
	url := pgtest.DB(t, "demo", func(ctx context.Context, url string) error {
		cfg, err := pgstore.ParseURL(url, "test")
		if err != nil {
			return err
		}
		if err := pgstore.Seed(ctx, cfg, 0); err != nil {
			return err
		}
		_, err = pgstore.Migrate(ctx, cfg, demo.Demo())
		return err
	})
	return &book{program, url}
}

// testbed is a book with new invoices, and the API that they are sent to.
type testbed struct {
	t      *testing.T
	book   *book
	conn   *pgx.Conn
	api    *billingfake.API
	url    string // of the API
	lookUp string
}

func newTestbed(t *testing.T, b *book, invoices int, c billingfake.Config) *testbed {
	t.Helper()
	cfg, err := pgstore.ParseURL(b.url, "test")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	if _, err := conn.Exec(t.Context(), "truncate invoices, billonce.deliveries, billonce.runs restart identity cascade"); err != nil {
		t.Fatal(err)
	}
	if err := pgstore.Seed(t.Context(), cfg, invoices); err != nil {
		t.Fatal(err)
	}
	s := &testbed{t: t, book: b, conn: conn, api: billingfake.New(c)}
	server := httptest.NewServer(s.api)
	t.Cleanup(server.Close)
	t.Cleanup(s.api.Close)
	s.url, s.lookUp = server.URL+"/v1/invoices/{id}/send", server.URL+"/v1/invoices/{id}"
	return s
}

func (s *testbed) exec(statement string, args ...any) {
	s.t.Helper()
	if _, err := s.conn.Exec(s.t.Context(), statement, args...); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
}

// terminate ends the backends of a runner, as the server does with a client
// that has been silent for too long: its locks are free.
func (s *testbed) terminate(runner string) {
	s.t.Helper()
	s.exec(`select pg_terminate_backend(pid, 10000) from pg_stat_activity
		where datname = current_database() and application_name like 'billonce/' || $1 || '/%'`, runner)
}

// wantNoLocks waits for the runners' backends to end: a killed one's notice it as
// they read from their sockets, which is at once where they are idle.
func (s *testbed) wantNoLocks() {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var backends, locks int
		err := s.conn.QueryRow(s.t.Context(), `select
			(select count(*) from pg_stat_activity where datname = current_database() and application_name like 'billonce/%'),
			(select count(*) from pg_locks where locktype = 'advisory'
			 and database = (select oid from pg_database where datname = current_database()))`).Scan(&backends, &locks)
		if err != nil {
			s.t.Fatal(err)
		}
		if backends == 0 && locks == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Errorf("%d connections and %d advisory locks are left", backends, locks)
			return
		}
		<-tick.C
	}
}

// delivery is an invoice and what the ledger says about it.
type delivery struct {
	invoice, state string
	pending        bool
}

func (s *testbed) deliveries() []delivery {
	s.t.Helper()
	rows, err := s.conn.Query(s.t.Context(), `select i.id::text, coalesce(d.state, 'in no ledger'), i.pending
		from invoices i left join billonce.deliveries d on d.invoice_id = i.id order by i.id`)
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d delivery, err error) {
		return d, row.Scan(&d.invoice, &d.state, &d.pending)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// wantAllDone is P4: nothing is left for another run.
func (s *testbed) wantAllDone(when string) {
	s.t.Helper()
	for _, d := range s.deliveries() {
		if d.state != "sent" && d.state != "in_doubt" {
			s.t.Errorf("P4: %s invoice %s is %s", when, d.invoice, d.state)
		}
	}
}

func (s *testbed) wantIdleAPI() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.api.Idle(ctx); err != nil {
		s.t.Error(err)
	}
}

// intendedAgain says that a runner's request was no first attempt: it came under
// locks and an intent that were newly taken.
func (s *testbed) intendedAgain(invoice, runner string) (again bool) {
	s.t.Helper()
	err := s.conn.QueryRow(s.t.Context(), `select d.attempt > 1 and r.application like 'billonce/' || $2 || '/%'
		from billonce.deliveries d join billonce.runs r on r.run_id = d.run_id where d.invoice_id::text = $1`, invoice, runner).Scan(&again)
	if err != nil {
		s.t.Fatal(err)
	}
	return again
}
