package advisory

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// config of a lock under an application's name.
func config(t testing.TB, database, application string, mode Mode) Config {
	t.Helper()
	cfg := parse(t, database)
	cfg.RuntimeParams["application_name"] = application
	return Config{Conn: cfg, Key: NewRunKey("test"), Mode: mode, LongestRequest: time.Second}
}

func acquire(t testing.TB, c Config) *SessionLock {
	t.Helper()
	l, err := Acquire(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.watch.Stop()
		_ = closeConn(context.Background(), l.conn)
	})
	return l
}

func release(t testing.TB, l *SessionLock) {
	t.Helper()
	if err := l.Release(t.Context()); err != nil {
		t.Errorf("release: %v", err)
	}
}

func TestModesExclude(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, second Mode
		excludes      bool
	}{
		{Exclusive, Exclusive, true},
		{Exclusive, Shared, true},
		{Shared, Exclusive, true},
		{Shared, Shared, false},
	} {
		t.Run(c.first.String()+" and "+c.second.String(), func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			first := acquire(t, config(t, db, "first", c.first))
			second, err := Acquire(t.Context(), config(t, db, "second", c.second))
			var held *HeldError
			switch {
			case !c.excludes && err != nil:
				t.Fatal(err)
			case !c.excludes:
				release(t, second)
			case !errors.As(err, &held):
				t.Fatalf("got %v, want a *HeldError", err)
			case len(held.Holders) != 1 || held.Holders[0].PID != first.conn.PgConn().PID() || held.Holders[0].ApplicationName != "first":
				t.Errorf("holders: %+v", held.Holders)
			case !strings.Contains(err.Error(), "is held by first (process "):
				t.Errorf("the message does not name the holder: %v", err)
			}
			release(t, first)
			release(t, acquire(t, config(t, db, "third", Exclusive)))
		})
	}
}

func TestAnotherNameOrDatabaseIsAnotherLock(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	l := acquire(t, config(t, db, "first", Exclusive))
	other := config(t, db, "second", Exclusive)
	other.Key = NewRunKey("other")
	release(t, acquire(t, other))

	elsewhere := newDB(t)
	third := acquire(t, config(t, elsewhere, "third", Exclusive))
	inTransaction := connect(t, elsewhere)
	begin(t, inTransaction)
	tryLockAll(t, inTransaction, 1, 2, 3)
	observer := connect(t, db)
	holders, err := Holders(t.Context(), observer, NewRunKey("test"))
	if err != nil || len(holders) != 1 || holders[0].ApplicationName != "first" {
		t.Errorf("holders in this database: %v, %v", holders, err)
	}
	if n, err := countObjectLocks(t.Context(), observer); err != nil || n != 0 {
		t.Errorf("%d object locks in this database, %v", n, err)
	}
	release(t, third)
	release(t, l)
}

func TestHoldersTellsWhoAndSinceWhen(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	observer := connect(t, db)
	if holders, err := Holders(t.Context(), observer, NewRunKey("test")); err != nil || len(holders) != 0 {
		t.Fatalf("of a free lock: %v, %v", holders, err)
	}
	a := acquire(t, config(t, db, "a", Shared))
	acquire(t, config(t, db, "b", Shared))
	holders, err := Holders(t.Context(), observer, NewRunKey("test"))
	if err != nil || len(holders) != 2 {
		t.Fatalf("got %v, %v; want two", holders, err)
	}
	h := holders[0]
	if h.ApplicationName != "a" || h.PID != a.conn.PgConn().PID() || h.User != "postgres" || h.ClientAddr != "127.0.0.1" ||
		h.Mode != "ShareLock" || time.Since(h.BackendStart) > time.Minute {
		t.Errorf("got %+v", h)
	}
}

// A role without pg_read_all_stats doesn't see another's address and start.
func TestHoldersIsForUnprivilegedRolesToo(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	acquire(t, config(t, db, "a", Exclusive))
	exec(t, connect(t, db), "create role advisory_nobody login password 'x'")
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), db)
		if err != nil {
			t.Error(err)
			return
		}
		_, err = conn.Exec(context.Background(), "drop role advisory_nobody")
		if err := errors.Join(err, conn.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("advisory_nobody", "x")
	_, err = Acquire(t.Context(), config(t, u.String(), "b", Exclusive))
	var held *HeldError
	if !errors.As(err, &held) || len(held.Holders) != 1 {
		t.Fatalf("got %v", err)
	}
	if h := held.Holders[0]; h.ApplicationName != "a" || !h.BackendStart.IsZero() || h.ClientAddr != "" {
		t.Errorf("got %+v; the test's role sees too much", h)
	}
	if strings.Contains(err.Error(), "0001") {
		t.Errorf("the message tells an unknown time: %v", err)
	}
}

func TestWaitEndsWithTheHoldersRelease(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	holder := acquire(t, config(t, db, "holder", Exclusive))
	observer := connect(t, db)
	c := config(t, db, "waiter", Exclusive)
	c.Wait = time.Hour
	type result struct {
		l   *SessionLock
		err error
	}
	got := make(chan result, 1)
	go func() {
		l, err := Acquire(t.Context(), c)
		got <- result{l, err}
	}()
	waiting := func() bool {
		return query[bool](t, observer, `select exists (select from pg_stat_activity
			where application_name = 'waiter' and state = 'idle' and query like '%pg_try_advisory_lock%')`)
	}
	eventually(t, "the waiter's first try", waiting)
	// Between two tries it holds nothing back.
	if query[bool](t, observer, "select exists (select from pg_stat_activity where application_name = 'waiter' and state = 'idle' and backend_xmin is not null)") {
		t.Error("the waiter holds a snapshot")
	}
	release(t, holder)
	select {
	case r := <-got:
		if r.err != nil {
			t.Fatal(r.err)
		}
		release(t, r.l)
	case <-time.After(patience):
		t.Fatal("the waiter did not get the free lock")
	}
}

func TestWaitEndsInHeldError(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	acquire(t, config(t, db, "holder", Exclusive))
	c := config(t, db, "waiter", Exclusive)
	c.Wait = 300 * time.Millisecond
	start := time.Now()
	_, err := Acquire(t.Context(), c)
	var held *HeldError
	if !errors.As(err, &held) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took < c.Wait {
		t.Errorf("gave up after %s", took)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	acquire(t, config(t, db, "holder", Exclusive))
	observer := connect(t, db)
	c := config(t, db, "waiter", Exclusive)
	c.Wait = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped by a signal")
	ended := make(chan error, 1)
	go func() {
		_, err := Acquire(ctx, c)
		ended <- err
	}()
	waiter := func() bool {
		return query[bool](t, observer, "select exists (select from pg_stat_activity where application_name = 'waiter')")
	}
	eventually(t, "the waiter", waiter)
	cancel(stopped)
	select {
	case err := <-ended:
		if !errors.Is(err, stopped) && !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the waiter did not end")
	}
	eventually(t, "the waiter's connection to be gone", func() bool { return !waiter() })
}

func TestLossOfTheSessionLock(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	c := config(t, db, "a", Exclusive)
	c.HeartbeatInterval, c.HeartbeatTimeout = time.Hour, 2*time.Hour
	l := acquire(t, c)
	stillOpen(t, "lost before anything happened", l.Lost())
	query[bool](t, connect(t, db), "select pg_terminate_backend($1)", l.conn.PgConn().PID())
	closes(t, "Lost", l.Lost())
	if l.Err() == nil {
		t.Error("no reason for the loss")
	}
	if err := l.Release(t.Context()); !errors.Is(err, l.Err()) {
		t.Errorf("Release = %v, want the loss", err)
	}
	release(t, acquire(t, config(t, db, "b", Exclusive)))
}

// A program that was cut off learns it, and is not held up by the silence.
func TestPartitionOfTheSessionLock(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	network := newPartition(t, db)
	c := config(t, network.url, "a", Exclusive)
	c.HeartbeatInterval, c.HeartbeatTimeout = 20*time.Millisecond, time.Second
	l := acquire(t, c)
	network.silent.Store(true)
	closes(t, "Lost", l.Lost())
	start := time.Now()
	if err := l.Release(t.Context()); err == nil || !strings.Contains(err.Error(), "no sign of life") {
		t.Errorf("Release = %v, want the loss", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Release took %s", took)
	}
	// For others nothing has changed: the server has not noticed yet.
	_, err := Acquire(t.Context(), config(t, db, "b", Exclusive))
	var held *HeldError
	if !errors.As(err, &held) {
		t.Errorf("another one: %v, want a *HeldError", err)
	}
}

func TestReleaseOfALockThatIsGoneIsAFault(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Exclusive, Shared} {
		l := acquire(t, config(t, newDB(t), "a", mode))
		// Freed behind our back, on our own session: as by a pooler's
		// server_reset_query.
		if err := l.watch.Stop(); err != nil {
			t.Fatal(err)
		}
		exec(t, l.conn, "discard all")
		if err := l.Release(t.Context()); !errors.Is(err, ErrNotHeld) {
			t.Errorf("%s: Release = %v, want ErrNotHeld", mode, err)
		}
		if !l.conn.IsClosed() {
			t.Errorf("%s: the connection is left open", mode)
		}
	}
}

// Release runs as a program ends: its context has been cancelled by then.
func TestReleaseIsNotCancelled(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	l := acquire(t, config(t, db, "a", Exclusive))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Release(ctx); err != nil {
		t.Errorf("Release: %v", err)
	}
	release(t, acquire(t, config(t, db, "b", Exclusive)))
}
