package advisory

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

func tryLockAll(t testing.TB, conn *pgx.Conn, keys ...Key) []bool {
	t.Helper()
	got, err := TryLockAll(t.Context(), conn, keys)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTryLockAllTellsWhichItGot(t *testing.T) {
	t.Parallel()
	url := newDB(t)
	a, b := connect(t, url), connect(t, url)
	begin(t, a)
	begin(t, b)
	tryLockAll(t, a, math.MinInt64, 2, 4)

	got := tryLockAll(t, b, 5, 4, 3, 2, -1, math.MinInt64, math.MaxInt64, 4, 5)
	if want := []bool{true, false, true, false, true, false, true, false, true}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	exec(t, a, "commit")
	if got := tryLockAll(t, b, 2, 4); !slices.Equal(got, []bool{true, true}) {
		t.Errorf("after the other's transaction: got %v", got)
	}
	exec(t, b, "rollback")
	if n, err := countObjectLocks(t.Context(), a); err != nil || n != 0 {
		t.Errorf("%d locks are left, %v", n, err)
	}
}

// A lock function in a WHERE took thousands of locks for ten rows. Here there
// are as many as there are keys.
func TestTryLockAllLocksExactlyItsKeys(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	begin(t, conn)
	keys := make([]Key, 500)
	for i := range keys {
		keys[i] = Key(i * 7)
	}
	tryLockAll(t, conn, keys...)
	exec(t, conn, "select pg_try_advisory_xact_lock(1, 2)") // the other key space: not counted
	n, err := countObjectLocks(t.Context(), conn)
	if err != nil || n != len(keys) {
		t.Errorf("%d locks are held for %d keys, %v", n, len(keys), err)
	}
	held := query[[]int64](t, conn, `select array_agg(((classid::bigint << 32) | objid::bigint) order by objid)
		from pg_locks where locktype = 'advisory' and objsubid = 1 and pid = pg_backend_pid()`)
	for i, key := range keys {
		if held[i] != int64(key) {
			t.Fatalf("key %d is held instead of %d", held[i], key)
		}
	}
}

// An idle transaction that only holds advisory locks keeps no vacuum waiting:
// it has neither a transaction id nor a snapshot.
func TestIdleLocksHoldNoSnapshot(t *testing.T) {
	t.Parallel()
	url := newDB(t)
	conn, observer := connect(t, url), connect(t, url)
	state := func() string {
		return query[string](t, observer, `select format('%s, xid %s, xmin %s', state, coalesce(backend_xid::text, 'none'), coalesce(backend_xmin::text, 'none'))
			from pg_stat_activity where pid = $1`, conn.PgConn().PID())
	}
	const free = "idle in transaction, xid none, xmin none"
	begin(t, conn)
	exec(t, conn, TransactionSettings(conn, time.Minute))
	query[string](t, conn, "select $1::text", "x")
	if got := state(); got == free {
		t.Fatal("a statement with arguments left no snapshot behind: this test can't see one")
	}
	tryLockAll(t, conn, 1, 2, 3)
	if got := state(); got != free {
		t.Errorf("after the locking: %s", got)
	}
	w := StartWatch(t.Context(), conn, time.Millisecond, patience)
	eventually(t, "a heartbeat", func() bool {
		return query[string](t, observer, "select query from pg_stat_activity where pid = $1", conn.PgConn().PID()) == "-- ping"
	})
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != free {
		t.Errorf("after heartbeats: %s", got)
	}
	exec(t, conn, "commit")
}

func TestTryLockAllNeedsATransaction(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	if _, err := TryLockAll(t.Context(), conn, []Key{1}); !errors.Is(err, ErrNoTransaction) {
		t.Errorf("outside of a transaction: %v", err)
	}
	begin(t, conn)
	_, _ = conn.PgConn().Exec(t.Context(), "select 1/0").ReadAll()
	if _, err := TryLockAll(t.Context(), conn, []Key{1}); !errors.Is(err, ErrNoTransaction) {
		t.Errorf("in a failed transaction: %v", err)
	}
	exec(t, conn, "rollback")
	begin(t, conn)
	if got := tryLockAll(t, conn); len(got) != 0 {
		t.Errorf("no keys: got %v", got)
	}
}

// A caller that gives up must not cost the locks that are held already.
func TestCancellationFreesNoLocks(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	begin(t, conn)
	tryLockAll(t, conn, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := TryLockAll(ctx, conn, []Key{2}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n, err := countObjectLocks(ctx, conn); err != nil || n != 1 {
		t.Errorf("%d locks are held, %v; want the one from before", n, err)
	}
}

// Callers halve their claim on this code.
func TestFullLockTableKeepsItsCode(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t, map[string]string{"max_connections": "10", "max_locks_per_transaction": "10", "max_wal_senders": "0"})
	conn := connect(t, server.URL("postgres"))
	begin(t, conn)
	keys := make([]Key, 20_000)
	for i := range keys {
		keys[i] = Key(i)
	}
	_, err := TryLockAll(t.Context(), conn, keys)
	if !pgerr.Is(err, pgerrcode.OutOfMemory) {
		t.Fatalf("got %v, want SQLSTATE 53200", err)
	}
	exec(t, conn, "rollback")
	begin(t, conn)
	tryLockAll(t, conn, keys[:100]...)
}
