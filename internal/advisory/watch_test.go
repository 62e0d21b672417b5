package advisory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/pgerr"
)

// The parked reader alone must notice: there is no heartbeat for an hour.
func TestWatchNoticesATerminationAtOnce(t *testing.T) {
	t.Parallel()
	url := newDB(t)
	conn, admin := connect(t, url), connect(t, url)
	pid := conn.PgConn().PID()
	begin(t, conn)
	tryLockAll(t, conn, 1)
	w := StartWatch(t.Context(), conn, time.Hour, 2*time.Hour)
	stillOpen(t, "lost before anything happened", w.Lost())
	if err := w.Err(); err != nil {
		t.Errorf("Err before the loss: %v", err)
	}
	start := time.Now()
	if !query[bool](t, admin, "select pg_terminate_backend($1)", pid) {
		t.Fatal("the backend was not terminated")
	}
	closes(t, "Lost after the termination", w.Lost())
	t.Logf("noticed after %s", time.Since(start))

	if err := w.Err(); !pgerr.Is(err, pgerrcode.AdminShutdown) {
		t.Errorf("Err = %v, want SQLSTATE 57P01", err)
	}
	for range 2 {
		if err := w.Stop(); err == nil || !errors.Is(err, w.Err()) {
			t.Errorf("Stop = %v, want the loss", err)
		}
	}
}

func TestWatchNoticesASilentPartition(t *testing.T) {
	t.Parallel()
	url := newDB(t)
	network := newPartition(t, url)
	conn, observer := connect(t, network.url), connect(t, url)
	pid := conn.PgConn().PID()
	w := StartWatch(t.Context(), conn, 20*time.Millisecond, time.Second)
	heartbeat(t, observer, pid)
	stillOpen(t, "lost though the server answers", w.Lost())

	start := time.Now()
	network.silent.Store(true)
	closes(t, "Lost after the partition", w.Lost())
	// The last sign of life came up to 20 ms and a round trip before.
	if took := time.Since(start); took < 800*time.Millisecond || took > 10*time.Second {
		t.Errorf("noticed after %s, want about a second", took)
	}
	if err := w.Stop(); err == nil || !strings.Contains(err.Error(), "no sign of life for 1s") {
		t.Errorf("Stop = %v, want the named time-out", err)
	}
}

func heartbeat(t testing.TB, observer *pgx.Conn, pid uint32) {
	t.Helper()
	eventually(t, "a heartbeat", func() bool {
		return query[string](t, observer, "select query from pg_stat_activity where pid = $1", pid) == "-- ping"
	})
}

func TestStopGivesTheConnectionBack(t *testing.T) {
	t.Parallel()
	url := newDB(t)
	conn, other := connect(t, url), connect(t, url)
	pid := conn.PgConn().PID()
	begin(t, conn)
	tryLockAll(t, conn, 1, 2)
	exec(t, conn, "create temp table witness on commit drop as select 1")
	ctx, cancel := context.WithCancel(t.Context())
	w := StartWatch(ctx, conn, time.Millisecond, patience)
	cancel() // the watch is not the caller's request
	heartbeat(t, other, pid)
	for range 2 {
		if err := w.Stop(); err != nil {
			t.Fatalf("Stop: %v", err)
		}
	}
	stillOpen(t, "Lost after a mere Stop", w.Lost())

	if conn.IsClosed() || conn.PgConn().TxStatus() != 'T' {
		t.Fatalf("the connection is closed: %t, in transaction state %c", conn.IsClosed(), conn.PgConn().TxStatus())
	}
	begin(t, other)
	if got := tryLockAll(t, other, 1, 2, 3); !slices.Equal(got, []bool{false, false, true}) {
		t.Errorf("another one got %v: the locks were not kept", got)
	}
	exec(t, other, "commit")
	if n := query[int](t, conn, "select count(*) from witness"); n != 1 {
		t.Errorf("the transaction is another one: %d witnesses", n)
	}
	exec(t, conn, "commit")
}

// Stop at any moment: while the reader parks, while a heartbeat is out, before
// either began.
func TestStopAtAnyMomentKeepsTheConnection(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	begin(t, conn)
	tryLockAll(t, conn, 1)
	for i := range 500 {
		w := StartWatch(t.Context(), conn, time.Duration(i%20)*50*time.Microsecond+1, patience)
		if i%2 == 1 {
			<-time.After(time.Duration(i%40) * 25 * time.Microsecond)
		}
		if err := w.Stop(); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if i%10 == 0 {
			if n, err := countObjectLocks(t.Context(), conn); err != nil || n != 1 {
				t.Fatalf("round %d: %d locks are held, %v", i, n, err)
			}
		}
	}
}

// A connection that hears much is not lost, and does not starve its heartbeat.
func TestWatchOutlastsNotifications(t *testing.T) {
	t.Parallel()
	url := newDB(t)
	conn, other := connect(t, url), connect(t, url)
	pid := conn.PgConn().PID()
	exec(t, conn, "listen news")
	w := StartWatch(t.Context(), conn, 50*time.Millisecond, patience)
	for range 200 {
		exec(t, other, "notify news")
	}
	heartbeat(t, other, pid)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, conn, "select 1"); got != 1 {
		t.Error("the connection is not usable")
	}
}

// An interval that leaves no time for an answer would lose every connection.
func TestWatchLeavesTimeForAnAnswer(t *testing.T) {
	t.Parallel()
	url := newDB(t)
	conn, observer := connect(t, url), connect(t, url)
	w := StartWatch(t.Context(), conn, time.Hour, 2*time.Second)
	heartbeat(t, observer, conn.PgConn().PID())
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
}
