package advisory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Watch knows of a lock connection's loss in time. An idle connection says that
// it is open long after its backend has gone; a parked reader hears of a
// termination at once, and a heartbeat of a silent partition.
type Watch struct {
	conn           *pgx.Conn
	every, timeout time.Duration

	stop   context.CancelFunc
	lost   chan struct{}
	ended  chan struct{}
	err    error // written before lost is closed
	stopMu sync.Once
}

// StartWatch parks a reader on conn, which nobody else may use until Stop.
// Every `every` without news the server is asked, and has timeout to answer.
// The watch outlives ctx: it ends by Stop alone.
func StartWatch(ctx context.Context, conn *pgx.Conn, every, timeout time.Duration) *Watch {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &Watch{
		conn: conn, every: every, timeout: timeout,
		stop: stop, lost: make(chan struct{}), ended: make(chan struct{}),
	}
	go w.run(ctx)
	return w
}

// Lost is closed when the connection is known to be gone.
func (w *Watch) Lost() <-chan struct{} { return w.lost }

// Err is why the connection is lost, once it is.
func (w *Watch) Err() error {
	select {
	case <-w.lost:
		return w.err
	default:
		return nil
	}
}

// Stop ends the watch and gives the connection back, its transaction and locks
// untouched. It returns the loss, if there was one. It may be called again.
func (w *Watch) Stop() error {
	w.stopMu.Do(w.stop)
	<-w.ended
	return w.Err()
}

func (w *Watch) run(ctx context.Context) {
	defer close(w.ended)
	for {
		err := w.park(ctx)
		if ctx.Err() != nil && !w.conn.IsClosed() {
			return
		}
		if err == nil {
			err = w.beat(ctx)
		}
		if err != nil {
			w.err = fmt.Errorf("lock connection lost: %w", err)
			close(w.lost)
			return
		}
	}
}

// park reads until something ends the connection, or it is time for a
// heartbeat. A read that times out leaves a pgx connection open.
func (w *Watch) park(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.every)
	defer cancel()
	_, err := w.conn.WaitForNotification(ctx)
	if err != nil && ctx.Err() != nil && !w.conn.IsClosed() {
		return nil
	}
	return err
}

// beat sends an empty simple query. It can't fail on the server: any error
// there would end the transaction and free its locks.
func (w *Watch) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), w.timeout,
		fmt.Errorf("no answer to a heartbeat within %s", w.timeout))
	defer cancel()
	if err := w.conn.Ping(ctx); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return nil
}
