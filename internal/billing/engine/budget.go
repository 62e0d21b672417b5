package engine

import (
	"sync"
	"sync/atomic"

	"billonce/internal/billing"
)

// budget keeps a run to RUN_LIMIT requests, and at first to those of its canary.
// What is taken for a claim and not used is given back.
type budget struct {
	accepted atomic.Int64 // replies

	mu        sync.Mutex
	unlimited bool
	left      int
	limit     int // of the whole run; ≤ 0: none
	first     int // requests that are sent first; 0: the run is past them
}

func newBudget(limit, first int) *budget {
	if limit > 0 {
		first = min(first, limit)
	}
	if first > 0 {
		return &budget{left: first, limit: limit, first: first}
	}
	return &budget{unlimited: limit <= 0, left: limit, limit: limit}
}

// take returns how many of n may be had.
func (b *budget) take(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unlimited {
		return n
	}
	n = min(n, b.left)
	b.left -= n
	return n
}

func (b *budget) give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
}

func (b *budget) spent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.unlimited && b.left == 0
}

// heed counts what was accepted: the canary is judged by that.
func (b *budget) heed(reply billing.Reply) {
	if reply.Outcome == billing.Accepted {
		b.accepted.Add(1)
	}
}

// ofCanary is how many requests of the canary were begun; false: it is over. It is
// asked between two passes, when nothing is taken.
func (b *budget) ofCanary() (begun int, sending bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.first - b.left, b.first > 0
}

// open lets the rest of the run follow its canary; false: there is none.
func (b *budget) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first == 0 || b.limit == b.first {
		return false
	}
	b.unlimited, b.left = b.limit <= 0, b.left+b.limit-b.first
	b.first = 0
	return true
}
