package engine

import (
	"slices"
	"sync"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

// P7: a queue that never runs empty holds no more than what waits in it, and hands it
// over in its order.
func TestP7QueueDoesNotGrow(t *testing.T) {
	t.Parallel()
	const low, groups, size = 4, 10_000, 10
	flight := &inFlight{}
	q := newQueue(func() int { return low }, flight)
	var taken []int
	var taker sync.WaitGroup
	taker.Go(func() {
		for a := q.take(); a != nil; a = q.take() {
			taken = append(taken, a.intent.Attempt)
			flight.end()
		}
	})
	most := 0
	for n := range groups {
		group := make([]*attempt, size)
		for i := range group {
			group[i] = &attempt{step: &step{intent: billing.Intent{Attempt: n*size + i}}}
		}
		q.put(group)
		q.mu.Lock()
		most = max(most, cap(q.attempts))
		q.mu.Unlock()
	}
	q.close()
	taker.Wait()
	if most > 8*(low+size) {
		t.Errorf("room for %d attempts, of which no more than %d wait", most, low+size)
	}
	if len(taken) != groups*size || !slices.IsSorted(taken) {
		t.Errorf("%d of %d attempts were taken, in their order: %t", len(taken), groups*size, slices.IsSorted(taken))
	}
	if !flight.none() {
		t.Error("all is done, and something is in flight")
	}
}
