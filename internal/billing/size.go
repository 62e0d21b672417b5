package billing

import "time"

// claimLife is how long a claim is aimed to last where runners share the run.
// What one has in hand is kept from the others: near the end, and after a kill,
// that is how long they wait for it.
const claimLife = 250 * time.Millisecond

// probeSize is a claim where others may be at work: how many invoices it costs to
// find that out.
const probeSize = 8

// lanes is how many claims are open at the same time.
func (c Config) lanes() int {
	if c.SettlesLate {
		return min(c.Lanes, c.Concurrency)
	}
	return c.Lanes
}

// claimMost is how many invoices a claim of a lane (from 0) has, at most. One
// that settles late is small: nobody else may touch its rows until its slowest
// request has ended. Where its attempts hold their slots until then, the lanes
// share the slots out beforehand: else each would wait for the others'.
func (c Config) claimMost(lane int) int {
	switch {
	case !c.SettlesLate:
		return c.ClaimSize
	case !c.holdsSlots():
		return min(c.ClaimSize, c.Concurrency)
	}
	share := c.Concurrency / c.lanes()
	if lane < c.Concurrency%c.lanes() {
		share++
	}
	return min(c.ClaimSize, share)
}

// claimLeast keeps all senders busy while one lane's claim is being settled and
// the next one locked.
func (c Config) claimLeast() int { return max(1, 2*c.Concurrency/c.lanes()) }

// holdsSlots says that an attempt keeps its slot until it is settled. Where a
// repeat does harm, what a kill leaves in doubt is whatever was begun and not yet
// settled: so that is what Concurrency bounds.
func (c Config) holdsSlots() bool { return !c.Idempotent }

// sizer says how many invoices a lane's next claim takes.
type sizer struct {
	next, least, most int
}

// newSizer is for one pass; the first knows its place to be nobody else's.
func (c Config) newSizer(lane int, first bool) *sizer {
	most := c.claimMost(lane)
	s := &sizer{next: most, least: most, most: most}
	if c.Spread {
		s.least = min(most, c.claimLeast())
		s.next = s.least
		if !first {
			s.next = min(most, probeSize)
		}
	}
	return s
}

// note takes in how long a claim of n invoices took.
func (s *sizer) note(n int, took time.Duration) {
	if n == 0 {
		s.next = min(s.most, probeSize)
		return
	}
	want := int(float64(n) * float64(claimLife) / float64(max(took, time.Millisecond)))
	s.next = min(max(want, s.least), s.most)
}
