package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// keeping is a run lock that is taken again when it is lost. Without a lock it
// is held always.
type keeping struct {
	lock RunLock // nil: the run has none
	stop *stopper
	log  zerolog.Logger

	failover *failover // nil: none is looked for

	mu    sync.Mutex
	again chan struct{} // closed when the lock is held again
}

func newKeeping(lock RunLock, stop *stopper, log zerolog.Logger) *keeping {
	return &keeping{lock: lock, stop: stop, log: log, again: make(chan struct{})}
}

func (k *keeping) lost() bool { return k.lock != nil && isClosed(k.lock.Lost()) }

// retaken is closed when a lock that is lost now is held again.
func (k *keeping) retaken() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.again
}

func (k *keeping) tellRetaken() {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.again)
	k.again = make(chan struct{})
}

// keep takes the run lock again whenever it is lost, until ctx ends, and stops the run
// where that can't be done. Until then nothing new is sent; what is in flight is
// awaited and settled.
func (k *keeping) keep(ctx context.Context) {
	if k.lock == nil {
		return
	}
	for {
		select {
		case <-k.lock.Lost():
		case <-ctx.Done():
			return
		}
		k.log.Warn().Str("event", "run_lock_lost").Msg("the run lock is lost: nothing new is sent until it is taken again")
		// What a fail-over has lost is written again, whether or not the lock is had again.
		err := k.failover.check(ctx)
		if err == nil {
			err = k.lock.Retake(ctx)
		}
		if err == nil {
			// Once more, for the first look may have met a server that was about to go, and
			// other runs wait for this one's word.
			err = k.failover.check(ctx)
		}
		if err != nil {
			if ctx.Err() == nil {
				k.stop.stop(billing.StoppedByLockLost, fmt.Errorf("the run lock is lost: %w", err))
			}
			return
		}
		k.log.Info().Str("event", "run_lock_regained").Msg("the run lock is held again, and no run that it keeps away has had it in between: going on")
		k.tellRetaken()
	}
}

// await returns when the run lock is held; false: the run is stopping.
func (k *keeping) await() bool {
	for {
		retaken := k.retaken()
		if !k.lost() {
			return true
		}
		select {
		case <-retaken:
		case <-k.stop.done:
			return false
		}
	}
}
