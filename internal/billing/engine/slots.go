package engine

import (
	"context"
	"sync/atomic"
)

// right is the right to send: it is had while the run is not stopping, as the pace
// allows, and while the run lock is held.
type right struct {
	stop *stopper
	pace *pace
	lock *keeping
}

// await waits for the right to send once; false: the run is stopping.
func (r right) await(ctx context.Context) bool {
	if r.stop.stopped() || !r.pace.await(ctx) {
		return false
	}
	if !r.lock.await() {
		r.pace.giveBack(1)
		return false
	}
	return true
}

// slots are what attempts hold from before their intent until they are settled: so
// many deliveries are begun and not settled, at most.
type slots struct {
	right right
	all   int
	free  chan struct{} // a token for each that is free
}

func newSlots(r right, n int) *slots {
	s := &slots{right: r, all: n, free: make(chan struct{}, n)}
	s.release(n)
	return s
}

// reserve waits for one slot, and for the right to send, and takes those that are free
// beside it, up to wanted. It returns 0 when the run is stopping.
func (s *slots) reserve(ctx context.Context, wanted int) int {
	if !s.reserveOne(ctx) {
		return 0
	}
	for n := 1; n < wanted; n++ {
		select {
		case <-s.free:
		default:
			return n
		}
		if !s.right.pace.ready() {
			s.release(1)
			return n
		}
	}
	return wanted
}

func (s *slots) reserveOne(ctx context.Context) bool {
	select {
	case <-s.free:
	case <-s.right.stop.done:
		return false
	}
	if !s.right.await(ctx) {
		s.release(1)
		return false
	}
	return true
}

func (s *slots) release(n int) {
	for range n {
		s.free <- struct{}{}
	}
}

// giveBack gives back reserved slots of which no attempt came, and their rights.
func (s *slots) giveBack(n int) {
	s.release(n)
	s.right.pace.giveBack(n)
}

func (s *slots) inUse() int { return s.all - len(s.free) }

// inFlight counts the attempts that a sender has taken and is not done with.
type inFlight struct{ n atomic.Int64 }

func (f *inFlight) begin()     { f.n.Add(1) }
func (f *inFlight) end()       { f.n.Add(-1) }
func (f *inFlight) count() int { return int(f.n.Load()) }

// none says that no request is on its way: hardly a settlement will come, then.
func (f *inFlight) none() bool { return f.n.Load() == 0 }
