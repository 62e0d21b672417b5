package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

const (
	groupMax = 1000 // settlements in one transaction, at most
	// groupEnough is a group that need not wait to grow.
	groupEnough = 250
)

// settler writes outcomes in groups: whatever has come in while the last
// group was being committed is the next one, at least.
type settler struct {
	ledger   Ledger
	late     func(context.Context, settling, []billing.Settlement) ([]billing.Settled, error) // what claims settle
	troubles *troubles
	stop     *stopper
	slots    *slots // nil: attempts hold none
	flight   *inFlight
	wait     time.Duration // for a group to grow
	wake     chan struct{} // holds a token when there is a reason to look at the items
	ended    chan struct{} // likewise, for who begins requests, while the items are left to it

	mu     sync.Mutex
	items  []ended // no more than there are in open claims
	left   bool    // to who begins requests in their slots, and settles them in the same commit
	closed bool
}

// settle hands a settlement to whoever may write it.
func (s *settler) settle(e ended) {
	if e.claim.Settle != nil {
		e.claim.settleLater(e)
		return
	}
	s.add(e)
}

// settleLate writes a row claim's outcomes as the claim ends.
func (s *settler) settleLate(ctx context.Context, c *claim) error {
	if len(c.late) == 0 {
		return nil
	}
	by := func(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
		return s.late(ctx, c.Settle, group)
	}
	err := s.write(ctx, by, c.late)
	s.freeSlots(c.late)
	if err != nil {
		return fmt.Errorf("settle a claim: %w", err)
	}
	return nil
}

// add wakes the settler for the first of a group, and for what makes it ready: not for
// each of its settlements.
func (s *settler) add(e ended) {
	s.mu.Lock()
	s.items = append(s.items, e)
	n, left := len(s.items), s.left
	s.mu.Unlock()
	switch {
	case left:
		tell(s.ended)
	case n == 1 || n == groupEnough || s.flight.none():
		tell(s.wake)
	}
}

// tell leaves a token for who is told, unless there is one already.
func tell(who chan struct{}) {
	select {
	case who <- struct{}{}:
	default:
	}
}

// leave leaves what has ended, and what ends from now on, to who begins requests in its
// slots; or has it settled alone again.
func (s *settler) leave(left bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = left
	switch {
	case len(s.items) == 0:
	case left:
		tell(s.ended)
	default:
		tell(s.wake)
	}
}

// takeLeft returns what has ended, for who settles it.
func (s *settler) takeLeft() []ended {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takeSome()
}

// takeSome is for who holds mu.
func (s *settler) takeSome() []ended {
	n := min(len(s.items), groupMax)
	group := s.items[:n:n]
	s.items = append(make([]ended, 0, max(n, len(s.items)-n)), s.items[n:]...)
	return group
}

// close is called when nothing more will be settled.
func (s *settler) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	tell(s.wake)
}

// run settles until the settler is closed, and all is written.
func (s *settler) run(ctx context.Context) {
	for group := s.next(); group != nil; group = s.next() {
		if err := s.write(ctx, s.commit, group); err != nil {
			s.stop.stop(billing.StoppedByError, err)
		}
		s.freeSlots(group)
		for _, e := range group {
			e.claim.open.Done()
		}
	}
}

// next returns a group once there is one, and gives it time to grow if it is small;
// nil: there will be none any more.
func (s *settler) next() []ended {
	var patience <-chan time.Time
	over := s.wait == 0
	for {
		group, waiting, closed := s.take(over)
		if group != nil || closed {
			return group
		}
		if waiting && patience == nil {
			timer := time.NewTimer(s.wait)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-s.wake:
		case <-patience:
			over = true
		}
	}
}

// take returns what is to be settled now. A group that may still grow is left waiting,
// unless the time for that is over.
func (s *settler) take(over bool) (group []ended, waiting, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.items)
	if n == 0 || s.left || !over && !s.closed && n < groupEnough && !s.flight.none() {
		return nil, n > 0 && !s.left, s.closed
	}
	return s.takeSome(), false, s.closed
}

// commit writes a group on the ledger's own connection.
func (s *settler) commit(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
	c, err := s.ledger.Commit(ctx, nil, group)
	return c.Ended, err
}

// write has a group written, and reports what came of it.
func (s *settler) write(ctx context.Context, by settling, items []ended) error {
	group := make([]billing.Settlement, len(items))
	for n, e := range items {
		group[n] = e.settlement
	}
	came, err := by(ctx, group)
	s.troubles.settled(group, came)
	return err
}

func (s *settler) freeSlots(items []ended) {
	if n := slotsOf(items); n > 0 {
		s.slots.release(n)
	}
}

// slotsOf counts the slots that are held until the items are settled.
func slotsOf(items []ended) (n int) {
	for _, e := range items {
		if e.slot {
			n++
		}
	}
	return n
}
