package advisory

import (
	"errors"
	"testing"
	"time"
)

// lose takes the lock away as the server does that ends a session.
func lose(t *testing.T, database string, l *SessionLock) {
	t.Helper()
	if !query[bool](t, connect(t, database), "select pg_terminate_backend($1::int)", int(l.conn.PgConn().PID())) {
		t.Fatal("the lock's server process was gone")
	}
	closes(t, "the loss", l.Lost())
}

func retake(t *testing.T, l *SessionLock) *SessionLock {
	t.Helper()
	again, err := l.Retake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stillOpen(t, "the lock is lost as it is taken again", again.Lost())
	return again
}

func TestRetake(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Exclusive, Shared} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			l := acquire(t, config(t, db, "first", mode))
			lose(t, db, l)
			again := retake(t, l)
			var held *HeldError
			if _, err := Acquire(t.Context(), config(t, db, "second", Exclusive)); !errors.As(err, &held) {
				t.Errorf("got %v, want a *HeldError: the lock was taken again", err)
			}
			release(t, again)
			patient := config(t, db, "second", Exclusive)
			patient.Wait = 10 * time.Second
			release(t, acquire(t, patient))
		})
	}
}

// Who holds the lock by now is not waited for.
func TestRetakeOfAHeldLock(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	l := acquire(t, config(t, db, "first", Exclusive))
	lose(t, db, l)
	patient := config(t, db, "second", Shared)
	patient.Wait = 10 * time.Second // the loss may be known before the server has freed the lock
	other := acquire(t, patient)
	_, err := l.Retake(t.Context())
	var held *HeldError
	if !errors.As(err, &held) || len(held.Holders) != 1 || held.Holders[0].ApplicationName != "second" {
		t.Errorf("got %v, want a *HeldError that names the holder", err)
	}
	release(t, other)
}

// After a silent partition the server goes on holding the lock for a connection
// that leads nowhere.
func TestRetakeEndsTheGhost(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Exclusive, Shared} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			network := newPartition(t, db)
			c := config(t, network.url, "first", mode)
			c.HeartbeatInterval, c.HeartbeatTimeout = 50*time.Millisecond, 100*time.Millisecond
			l := acquire(t, c)
			network.silent.Store(true)
			closes(t, "the loss", l.Lost())
			l.config.Conn = config(t, db, "first", mode).Conn // a way round; the old one stays silent
			observer := connect(t, db)
			holders := func() int {
				return query[int](t, observer, `select count(*) from pg_locks
					where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`)
			}
			if holders() != 1 {
				t.Fatal("the server has let the lost connection go: this shows nothing")
			}
			again := retake(t, l)
			eventually(t, "one holder alone", func() bool { return holders() == 1 })
			release(t, again)
		})
	}
}

// After a fail-over the old address may lead to a server whose locks exclude nobody.
func TestRetakeRefusesAReadOnlyServer(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	l := acquire(t, config(t, db, "first", Exclusive))
	conn := connect(t, db)
	exec(t, conn, "do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$")
	lose(t, db, l)
	_, err := l.Retake(t.Context())
	var unsafe *UnsafeError
	if !errors.As(err, &unsafe) {
		t.Errorf("got %v, want an *UnsafeError", err)
	}
}
