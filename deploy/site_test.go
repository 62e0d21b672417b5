package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// site is what runners in containers need: a PostgreSQL and a billing API, at an
// address of this machine that they reach.
type site struct {
	t          testing.TB
	api        *billingfake.API
	databaseAt string // DATABASE_URL, as containers see it
	billingAt  string // BILLING_URL, likewise
	database   *pgx.ConnConfig
}

// newSite has a database with the demo's table of invoices and its ledger.
func newSite(t testing.TB, host string, invoices int, c billingfake.Config) *site {
	t.Helper()
	s := &site{t: t, api: billingfake.New(c)}
	local := pgtest.DB(t, "deploy", nil)
	var err error
	if s.database, err = pgstore.ParseURL(local, "judge"); err != nil {
		t.Fatal(err)
	}
	s.databaseAt = s.forward(local, host)
	server, err := billingfake.Listen(net.JoinHostPort(host, "0"), s.api)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	s.billingAt = server.URL() + "/v1/invoices/{id}/send"
	if err := pgstore.Seed(t.Context(), s.database, invoices); err != nil {
		t.Fatal(err)
	}
	return s
}

// migrate makes the ledger.
func (s *site) migrate() {
	s.t.Helper()
	_, err := pgstore.Migrate(s.t.Context(), s.database, book.Demo())
	if err != nil {
		s.t.Fatal(err)
	}
}

// forward makes the test's server, which listens on loopback, answer at host.
func (s *site) forward(databaseURL, host string) string {
	s.t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		s.t.Fatal(err)
	}
	if host == u.Hostname() {
		return databaseURL
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = l.Close() })
	target := u.Host
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go splice(client, target)
		}
	}()
	u.Host = l.Addr().String()
	return u.String()
}

// splice ends both connections when either ends, as one connection would.
func splice(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		_, _ = io.Copy(server, client)
	}()
	_, _ = io.Copy(client, server)
}

// query asks the database for one value.
func query[T any](s *site, statement string, args ...any) T {
	s.t.Helper()
	var v T
	if err := s.tryQuery(&v, statement, args...); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
	return v
}

func (s *site) tryQuery(v any, statement string, args ...any) (err error) {
	ctx := context.WithoutCancel(s.t.Context())
	conn, err := pgx.ConnectConfig(ctx, s.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	return conn.QueryRow(ctx, statement, args...).Scan(v)
}

// wantBilledOnce compares the API's own account with the ledger: each invoice
// one effect, and nothing left.
func (s *site) wantBilledOnce(invoices int) {
	s.t.Helper()
	judge := s.api.Summary()
	if judge.Billed != invoices || judge.Effects != invoices {
		s.t.Errorf("the API billed %d invoices %d times, want each of %d once", judge.Billed, judge.Effects, invoices)
	}
	if got, want := s.states(), fmt.Sprintf("sent/false=%d", invoices); got != want {
		s.t.Errorf("delivery state/pending: %s, want %s", got, want)
	}
}

// states is the ledger and the invoices at a glance: "sent/false=10 …".
func (s *site) states() string {
	s.t.Helper()
	return query[string](s, `select coalesce(string_agg(s || '=' || n, ' ' order by s), '') from (
		select coalesce(d.state, 'none') || '/' || i.pending as s, count(*) as n
		from invoices i left join billonce.deliveries d on d.invoice_id = i.id group by 1) x`)
}

// exec runs statements.
func (s *site) exec(statements string) {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	conn, err := pgx.ConnectConfig(ctx, s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		s.t.Fatal(err)
	}
}
