package advisory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// HeartbeatInterval is how often a silent connection is asked for a sign of
	// life.
	HeartbeatInterval = 5 * time.Second
	// HeartbeatTimeout is how long after its last sign of life a connection is
	// taken for lost, the interval included.
	HeartbeatTimeout = 10 * time.Second
)

// Watch knows of a connection's loss in time. An idle pgx connection says that
// it is open long after its backend has gone; a parked reader hears of a
// termination within milliseconds, and a heartbeat of a silent partition.
type Watch struct {
	conn          *pgx.Conn
	every, answer time.Duration

	errands chan errand
	stop    context.CancelFunc
	lost    chan struct{}
	ended   chan struct{}
	err     error // written before lost is closed
}

// StartWatch parks a reader on conn, which nobody else may use until Stop. It
// asks the server every `every`, and declares the connection lost when timeout
// has passed since its last sign of life; timeout includes every. The watch
// outlives ctx: it ends by Stop or by the loss alone.
func StartWatch(ctx context.Context, conn *pgx.Conn, every, timeout time.Duration) *Watch {
	if every >= timeout {
		every = timeout / 2 // else no time would be left for an answer
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &Watch{
		conn: conn, every: every, answer: timeout - every,
		errands: make(chan errand), stop: stop, lost: make(chan struct{}), ended: make(chan struct{}),
	}
	go w.run(ctx)
	return w
}

// Lost is closed as soon as the connection is known to be gone.
func (w *Watch) Lost() <-chan struct{} { return w.lost }

// Err is why the connection is lost, once it is; nil until then.
func (w *Watch) Err() error {
	select {
	case <-w.lost:
		return w.err
	default:
		return nil
	}
}

// Stop ends the watch and gives the connection back as it was, open, with its
// transaction and its locks. It returns the loss, if there was one: what the
// connection held is gone then. It may be called again. While a heartbeat is
// out, Stop waits for its answer: to interrupt it would close the connection.
func (w *Watch) Stop() error {
	w.stop()
	<-w.ended
	return w.Err()
}

// errand is what somebody else has to ask on the connection.
type errand struct {
	run  func(ctx context.Context, conn *pgx.Conn) error
	done chan error
}

// ErrNotWatched says that a watch has ended.
var ErrNotWatched = errors.New("the lock connection is not watched any more")

// Do runs f on the connection, in a heartbeat's place, and returns its error. What takes
// longer than a heartbeat may is the connection's loss. It is for a connection without an
// open transaction: an error of f's would end that.
func (w *Watch) Do(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	e := errand{f, make(chan error, 1)}
	select {
	case w.errands <- e:
		return <-e.done
	case <-w.ended:
		return errors.Join(ErrNotWatched, w.Err())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *Watch) run(ctx context.Context) {
	defer close(w.ended)
	defer w.stop()
	for {
		e, err := w.park(ctx)
		switch {
		case e != nil:
			failed := w.within(ctx, e.run)
			if err == nil && w.conn.IsClosed() {
				err = failed
			}
			e.done <- failed
		case err == nil && ctx.Err() == nil:
			err = w.beat(ctx)
		}
		if err != nil {
			w.err = fmt.Errorf("lock connection lost: %w", err)
			close(w.lost)
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// park reads until the connection ends, the watch is stopped, somebody else has to ask,
// or it is time for a heartbeat. A read that is interrupted while it waits leaves a pgx
// connection open, unlike a statement.
func (w *Watch) park(ctx context.Context) (e *errand, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.every)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		select {
		case came := <-w.errands:
			e = &came
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err = w.conn.WaitForNotification(ctx)
	if ctx.Err() != nil && !w.conn.IsClosed() {
		err = nil
	}
	cancel()
	<-heard
	return e, err
}

// beat sends a simple query that is empty but for a comment. The server answers
// without executing anything (manual, Message Flow, Simple Query), so that it can't fail there: an
// error would end the transaction and free its locks.
func (w *Watch) beat(ctx context.Context) error {
	return w.within(ctx, func(ctx context.Context, conn *pgx.Conn) error { return conn.Ping(ctx) })
}

// within bounds what is asked by the time that an answer may take.
func (w *Watch) within(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeoutCause(Detach(ctx), w.answer,
		fmt.Errorf("no sign of life for %s", w.every+w.answer))
	defer cancel()
	if err := f(WithEnd(ctx, ctx), w.conn); err != nil {
		return withCause(ctx, err)
	}
	return nil
}
