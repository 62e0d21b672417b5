package engine

import "context"

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

// ready takes the right to send once, if it can be had at once.
func (r right) ready() bool { return !r.stop.stopped() && !r.lock.lost() && r.pace.ready() }

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

// await waits for a slot, and takes it; false: the run is stopping.
func (s *slots) await() bool {
	select {
	case <-s.free:
		return true
	case <-s.right.stop.done:
		return false
	}
}

// take takes a slot if one is free.
func (s *slots) take() bool {
	select {
	case <-s.free:
		return true
	default:
		return false
	}
}

func (s *slots) release(n int) {
	for range n {
		s.free <- struct{}{}
	}
}

func (s *slots) inUse() int { return s.all - len(s.free) }
