package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// fakeLock is lost when its channel is closed, and taken again when the test says.
type fakeLock struct {
	retake chan error

	mu   sync.Mutex
	lost chan struct{}
}

func (l *fakeLock) Lost() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *fakeLock) Retake(ctx context.Context) error {
	select {
	case err := <-l.retake:
		if err == nil {
			l.mu.Lock()
			l.lost = make(chan struct{})
			l.mu.Unlock()
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// P5: while the run lock is lost no slot is given out. Once it is held again the
// same run goes on; where it can't be had, the run stops.
func TestP5SlotsWaitForTheRunLock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		retaken error
		sends   bool
	}{
		"held again":         {nil, true},
		"another run has it": {errors.New("held by another"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				lock := &fakeLock{lost: closed(), retake: make(chan error)}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stop := newStopper(zerolog.Nop())
				kept := newKeeping(lock, stop, zerolog.Nop())
				slots := newSlots(right{stop, newPace(Config{Concurrency: 1}, stop, zerolog.Nop()), kept}, 1)
				begins := &justAhead{slots: slots, settler: &settler{}}
				got := make(chan bool, 1)
				go func() { got <- begins.reserve(ctx, 1).rights > 0 }()
				go kept.keep(ctx)
				synctest.Wait() // the keeper is at it, and the slot waits
				if len(got) > 0 {
					t.Fatal("a slot was given out while the run lock was lost")
				}
				lock.retake <- c.retaken
				if sends := <-got; sends != c.sends {
					t.Errorf("may send: %t, want %t", sends, c.sends)
				}
				if reason, _ := stop.cause(); c.sends != (reason == "") || !c.sends && reason != billing.StoppedByLockLost {
					t.Errorf("stopped by %q", reason)
				}
			})
		})
	}
}

// A run that has nothing left to do ends, also while its lock is lost.
func TestARunsEndDoesNotWaitForTheRunLock(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stop := newStopper(zerolog.Nop())
	kept := newKeeping(&fakeLock{lost: closed()}, stop, zerolog.Nop())
	cancel()
	kept.keep(ctx)
	if stop.stopped() {
		t.Error("the run's end was taken for a loss")
	}
}
