package billing

import (
	"fmt"
	"sync"
)

// keeping is a run lock that is taken again when it is lost. Without a lock it is
// held always.
type keeping struct {
	lock RunLock // nil: the run has none

	mu    sync.Mutex
	again chan struct{} // closed when the lock is held again
}

func keep(lock RunLock) *keeping { return &keeping{lock: lock, again: make(chan struct{})} }

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

// keepLock takes the run lock again whenever it is lost, and stops the run where
// that can't be done. Until then nothing new is sent; what is in flight is
// awaited and settled.
func (r *Runner) keepLock() {
	if r.lock.lock == nil {
		return
	}
	for {
		select {
		case <-r.lock.lock.Lost():
		case <-r.claimCtx.Done():
			return
		}
		r.Log.Warn().Str("event", "run_lock_lost").Msg("the run lock is lost: nothing new is sent until it is taken again")
		if err := r.lock.lock.Retake(r.claimCtx); err != nil {
			if r.claimCtx.Err() == nil {
				r.stop.stop(StoppedByLockLost, fmt.Errorf("the run lock is lost: %w", err))
			}
			return
		}
		r.Log.Info().Str("event", "run_lock_regained").Msg("the run lock is held again, and no run that it keeps away has had it in between: going on")
		r.lock.tellRetaken()
	}
}

// awaitLock returns when the run lock is held; false: the run is stopping.
func (r *Runner) awaitLock() bool {
	for {
		retaken := r.lock.retaken()
		if !r.lock.lost() {
			return true
		}
		select {
		case <-retaken:
		case <-r.stop.done:
			return false
		}
	}
}
