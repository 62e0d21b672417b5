package doctor_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// patient is a database with the demo's table, its ledger and a pending invoice.
func patient(t *testing.T) (url string) {
	t.Helper()
	url = pgtest.DB(t, "demo", func(ctx context.Context, url string) error {
		cfg := parse(t, url)
		if err := pgstore.Seed(ctx, cfg, 0); err != nil {
			return err
		}
		_, err := pgstore.Migrate(ctx, cfg, book.Demo())
		return err
	})
	if err := pgstore.Seed(t.Context(), parse(t, url), 1); err != nil {
		t.Fatal(err)
	}
	return url
}

func parse(t *testing.T, url string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgstore.ParseURL(url, "test")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// connect opens a session that lasts as long as the test.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), parse(t, url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	if _, err := connect(t, url).Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
