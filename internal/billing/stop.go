package billing

import "sync"

// StopReason says why a run ended before its work did; empty if it did not.
type StopReason string

// Why a run stops.
const (
	StoppedBySignal   StopReason = "signal"
	StoppedByDeadline StopReason = "deadline"
	StoppedByBreaker  StopReason = "breaker"
	StoppedByLockLost StopReason = "lock_lost"
	StoppedByLimit    StopReason = "limit"
	StoppedByCanary   StopReason = "canary"
	StoppedByError    StopReason = "error"
)

// stopper turns the first reason to stop into a closed channel.
type stopper struct {
	once   sync.Once
	done   chan struct{}
	reason StopReason
	err    error
}

func newStopper() *stopper { return &stopper{done: make(chan struct{})} }

func (s *stopper) stop(reason StopReason, err error) {
	s.once.Do(func() {
		s.reason, s.err = reason, err
		close(s.done)
	})
}

func (s *stopper) stopped() bool { return isClosed(s.done) }

// cause is valid once the run's goroutines have ended.
func (s *stopper) cause() (StopReason, error) {
	if !s.stopped() {
		return "", nil
	}
	return s.reason, s.err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
