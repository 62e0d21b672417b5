package billing

import (
	"slices"
	"sync"
	"testing"
)

// P7: a queue that never runs empty holds no more than what waits in it, and hands it
// over in its order.
func TestP7QueueDoesNotGrow(t *testing.T) {
	t.Parallel()
	const low, groups, size = 4, 10_000, 10
	q := newQueue(low)
	var taken []int
	var taker sync.WaitGroup
	taker.Go(func() {
		for a := q.take(); a != nil; a = q.take() {
			taken = append(taken, a.intent.Attempt)
			q.done()
		}
	})
	most := 0
	for n := range groups {
		group := make([]*attempt, size)
		for i := range group {
			group[i] = &attempt{intent: Intent{Attempt: n*size + i}}
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
	if !q.idle() {
		t.Error("all is done, and it is not idle")
	}
}
