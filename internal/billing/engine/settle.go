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

// settling settles a group, and says what came of each.
type settling func(context.Context, []billing.Settlement) ([]billing.Settled, error)

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

	mu     sync.Mutex
	items  []ended // no more than there are in open claims
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
	if err := s.write(ctx, by, c.late); err != nil {
		return fmt.Errorf("settle a claim: %w", err)
	}
	return nil
}

// add wakes the settler for the first of a group, and for what makes it ready: not for
// each of its settlements.
func (s *settler) add(e ended) {
	s.mu.Lock()
	s.items = append(s.items, e)
	n := len(s.items)
	s.mu.Unlock()
	if n == 1 || n == groupEnough || s.flight.none() {
		s.look()
	}
}

func (s *settler) look() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// close is called when nothing more will be settled.
func (s *settler) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.look()
}

// run settles until the settler is closed, and all is written.
func (s *settler) run(ctx context.Context) {
	for group := s.next(); group != nil; group = s.next() {
		if err := s.write(ctx, s.commit, group); err != nil {
			s.stop.stop(billing.StoppedByError, err)
		}
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
	n := min(len(s.items), groupMax)
	if n == 0 || !over && !s.closed && n < groupEnough && !s.flight.none() {
		return nil, n > 0, s.closed
	}
	group = s.items[:n:n]
	s.items = append(make([]ended, 0, max(n, len(s.items)-n)), s.items[n:]...)
	return group, false, s.closed
}

// commit writes a group on the ledger's own connection.
func (s *settler) commit(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
	c, err := s.ledger.Commit(ctx, nil, group)
	return c.Ended, err
}

// write has a group written, reports what came of it, and frees its slots.
func (s *settler) write(ctx context.Context, by settling, items []ended) error {
	group := make([]billing.Settlement, len(items))
	slots := 0
	for n, e := range items {
		group[n] = e.settlement
		if e.slot {
			slots++
		}
	}
	came, err := by(ctx, group)
	s.troubles.settled(group, came)
	if slots > 0 {
		s.slots.release(slots)
	}
	return err
}
