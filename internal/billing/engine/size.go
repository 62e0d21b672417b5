package engine

import "time"

// claimLife is how long a claim is aimed to last where runners share the run.
// What one has in hand is kept from the others: near the end, and after a kill,
// that is how long they wait for it.
const claimLife = 125 * time.Millisecond

// probeSize is a claim where others may be at work: how many invoices it costs to
// find that out.
const probeSize = 8

// sizer says how many invoices the next claim takes.
type sizer struct {
	next, least, most int
}

// newSizer is for the n-th of the claims that are open at the same time. It lasts for
// one pass; a shared run's first one knows its place to be nobody else's.
func newSizer(t terms, n int, shared, first bool) *sizer {
	most := t.claimMost[n]
	s := &sizer{next: most, least: most, most: most}
	if shared {
		s.least = min(most, t.claimLeast)
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
