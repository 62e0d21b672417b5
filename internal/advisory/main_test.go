package advisory

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// patience is how long a test waits for what must happen at once.
const patience = time.Minute

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// newDB is an empty database of the test's own: advisory locks of one database
// don't meet those of another.
func newDB(t testing.TB) string {
	t.Helper()
	return pgtest.DB(t, "empty", func(context.Context, string) error { return nil })
}

func parse(t testing.TB, url string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closeConn(context.Background(), conn) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func begin(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	exec(t, conn, "begin isolation level read committed")
}

func query[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) (value T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !yes() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("waited %s in vain for: %s", patience, what)
		}
	}
}

// closes waits for a signal.
func closes(t testing.TB, what string, signal <-chan struct{}) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(patience):
		t.Fatalf("waited %s in vain for: %s", patience, what)
	}
}

// stillOpen fails if a signal has come that must not have.
func stillOpen(t testing.TB, what string, signal <-chan struct{}) {
	t.Helper()
	select {
	case <-signal:
		t.Fatal(what)
	default:
	}
}

func countObjectLocks(ctx context.Context, conn *pgx.Conn) (int, error) {
	held, err := ObjectHolders(ctx, conn)
	return len(held), err
}
