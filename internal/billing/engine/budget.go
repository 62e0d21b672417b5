package engine

import "sync"

// budget keeps a run to RUN_LIMIT requests. What is taken for a claim and not used is
// given back.
type budget struct {
	mu        sync.Mutex
	unlimited bool
	left      int
}

// newBudget is for so many requests; ≤ 0: for any number.
func newBudget(limit int) *budget { return &budget{unlimited: limit <= 0, left: limit} }

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
