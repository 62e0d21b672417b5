package advisory

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func joined(t *testing.T, l *SessionLock, want int) {
	t.Helper()
	if n, err := l.Join(t.Context(), NewRateKey("ledger")); err != nil || n != want {
		t.Errorf("Join = %d, %v; want %d", n, err, want)
	}
}

// The heartbeats go on meanwhile: there is one every millisecond.
func TestJoinCountsWhoShares(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	c := config(t, db, "first", Shared)
	c.HeartbeatInterval = time.Millisecond
	first := acquire(t, c)
	joined(t, first, 1)
	c.Conn = parse(t, db)
	second := acquire(t, c)
	joined(t, second, 2)
	for range 10 {
		joined(t, first, 2) // held once, however often it is asked for
	}
	if err := first.Leave(t.Context(), NewRateKey("ledger")); err != nil {
		t.Error(err)
	}
	joined(t, second, 1)
	holders, err := Holders(t.Context(), connect(t, db), NewRateKey("ledger"))
	if err != nil || len(holders) != 1 || holders[0].PID != second.conn.PgConn().PID() {
		t.Errorf("holders: %+v, %v", holders, err)
	}
	release(t, second)
	eventually(t, "the server lets go of a session that has ended", func() bool { // it ends by itself
		n, err := first.Join(t.Context(), NewRateKey("ledger"))
		return err == nil && n == 1
	})
	release(t, first)
	if _, err := first.Join(t.Context(), NewRateKey("ledger")); !errors.Is(err, ErrNotWatched) {
		t.Errorf("after its release: %v", err)
	}
}

// A statement that fails is no loss; a connection that is gone is one.
func TestWatchDoesErrands(t *testing.T) {
	t.Parallel()
	db := newDB(t)
	l := acquire(t, config(t, db, "first", Exclusive))
	err := l.watch.Do(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		_, err := simple(ctx, conn, "select 1 / 0")
		return err
	})
	if err == nil {
		t.Error("no error came back")
	}
	stillOpen(t, "lost by a statement that failed", l.Lost())
	joined(t, l, 1)
	if !query[bool](t, connect(t, db), "select pg_terminate_backend($1)", l.conn.PgConn().PID()) {
		t.Fatal("the backend was not terminated")
	}
	closes(t, "Lost", l.Lost())
	if _, err := l.Join(t.Context(), NewRateKey("ledger")); !errors.Is(err, ErrNotWatched) {
		t.Errorf("after the loss: %v", err)
	}
}

// An errand that the server does not answer is the connection's loss, as a heartbeat is.
func TestWatchNoticesAPartitionByAnErrand(t *testing.T) {
	t.Parallel()
	network := newPartition(t, newDB(t))
	c := config(t, network.url, "first", Exclusive)
	c.HeartbeatInterval, c.HeartbeatTimeout = 10*time.Minute, 10*time.Minute+50*time.Millisecond
	l := acquire(t, c)
	network.silent.Store(true)
	if _, err := l.Join(t.Context(), NewRateKey("ledger")); err == nil {
		t.Error("no error came back")
	}
	closes(t, "Lost", l.Lost())
}
