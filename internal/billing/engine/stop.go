package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// stopper turns the first reason to stop into a closed channel.
type stopper struct {
	log    zerolog.Logger
	once   sync.Once
	done   chan struct{}
	reason billing.StopReason
	err    error
}

func newStopper(log zerolog.Logger) *stopper { return &stopper{log: log, done: make(chan struct{})} }

func (s *stopper) stop(reason billing.StopReason, err error) {
	s.once.Do(func() {
		s.reason, s.err = reason, err
		close(s.done)
	})
}

// because stops for an error; nil is none.
func (s *stopper) because(err error) {
	switch {
	case err == nil:
	case errors.Is(err, billing.ErrPaused):
		s.stop(billing.StoppedByPause, nil)
	case errors.Is(err, billing.ErrTableHeld):
		s.stop(billing.StoppedByTable, err)
	default:
		s.stop(billing.StoppedByError, err)
	}
}

func (s *stopper) stopped() bool { return isClosed(s.done) }

// cause is valid once the run's goroutines have ended.
func (s *stopper) cause() (billing.StopReason, error) {
	if !s.stopped() {
		return "", nil
	}
	return s.reason, s.err
}

// unlessStopped drops an error that is only the echo of the run being stopped, which
// has ended ctx.
func (s *stopper) unlessStopped(ctx context.Context, err error) error {
	if s.stopped() && ctx.Err() != nil {
		s.log.Debug().Err(err).Msg("claiming ended by the stop")
		return nil
	}
	return err
}

// wait waits for d, or for the stop.
func (s *stopper) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.done:
	}
}

// ending is what ends a run early, and the two contexts that it ends.
type ending struct {
	*stopper
	flight       *inFlight
	deadline     time.Duration // of the run; 0: none
	drain        time.Duration
	stopClaiming context.CancelFunc
	giveUp       context.CancelFunc // of requests in flight
}

// watch returns once the run has finished. Whatever ends it early ends claiming at
// once; sending is given up only after the drain.
func (e ending) watch(ctx context.Context, finished <-chan struct{}) {
	defer e.stopClaiming()
	var deadline <-chan time.Time
	if e.deadline > 0 {
		t := time.NewTimer(e.deadline)
		defer t.Stop()
		deadline = t.C
	}
	select {
	case <-finished:
		return
	case <-ctx.Done():
		e.stop(billing.StoppedBySignal, context.Cause(ctx))
	case <-deadline:
		e.stop(billing.StoppedByDeadline, nil)
	case <-e.done:
	}
	reason, _ := e.cause()
	n := e.flight.count()
	e.log.Warn().Str("event", "stopping").Str("stopped", string(reason)).Int("in_flight", n).Msg("stopping: nothing new is claimed or sent; " + awaited(n, e.drain))
	e.stopClaiming()
	select {
	case <-finished:
		return
	case <-ctx.Done(): // at once, or later on, whatever stopped it first
	}
	drain := time.NewTimer(e.drain)
	defer drain.Stop()
	select {
	case <-finished:
	case <-drain.C:
		e.log.Warn().Str("drain_timeout", e.drain.String()).Msg("DRAIN_TIMEOUT is over: giving up requests in flight; their effect is not known")
		e.giveUp()
	}
}

// awaited says what becomes of so many requests in flight.
func awaited(n int, drain time.Duration) string {
	if n == 0 {
		return "no request is in flight"
	}
	return fmt.Sprintf("%s in flight: awaited and settled, at most %s after a signal. A second signal ends at once; what became of them is then not known",
		words.Plural(n, "request"), drain)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
