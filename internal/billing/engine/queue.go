package engine

import (
	"slices"
	"sync"
)

// queue hands attempts to the senders, in their order. Unlike a channel it takes a
// whole group at once: a channel would wake whoever fills it for each attempt.
type queue struct {
	low    func() int // attempts that are left as the next group may come
	flight *inFlight

	mu       sync.Mutex
	some     sync.Cond // there are attempts, or will be none any more
	room     sync.Cond // no more than low are left
	attempts []*attempt
	next     int // of attempts
	closed   bool
}

func newQueue(low func() int, flight *inFlight) *queue {
	q := &queue{low: low, flight: flight}
	q.some.L, q.room.L = &q.mu, &q.mu
	return q
}

// put adds a group, and returns once the next one may come.
func (q *queue) put(group []*attempt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	// What is taken makes room for what comes: a queue that never runs empty would grow.
	q.attempts = append(slices.Delete(q.attempts, 0, q.next), group...)
	q.next = 0
	for range group {
		q.some.Signal()
	}
	for q.left() > q.low() {
		q.room.Wait()
	}
}

// take returns the next attempt once there is one; nil: there will be none any more.
// It is in flight from then on, until its taker says that it is done.
func (q *queue) take() *attempt {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.awaitSome() {
		return nil
	}
	q.flight.begin()
	a := q.attempts[q.next]
	q.attempts[q.next] = nil
	q.next++
	if q.left() <= q.low() {
		q.room.Broadcast()
	}
	return a
}

// await returns true once there is an attempt, false if there will be none any more.
func (q *queue) await() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.awaitSome()
}

// first is the attempt that would be taken next, for who knows that there is one.
func (q *queue) first() *attempt {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.attempts[q.next]
}

// awaitSome is await for who holds mu.
func (q *queue) awaitSome() bool {
	for q.left() == 0 && !q.closed {
		q.some.Wait()
	}
	return q.left() > 0
}

// close is called when nothing more will be put.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.some.Broadcast()
}

func (q *queue) left() int { return len(q.attempts) - q.next }
