package engine

import (
	"testing"
	"time"
)

// Where claims settle late and attempts hold their slots until then, the claims
// of all together need no more slots than there are: else two that each hold some
// would wait for each other for ever.
func TestLateSettlingClaimsFitTheSlots(t *testing.T) {
	t.Parallel()
	for concurrency := 1; concurrency <= 20; concurrency++ {
		c := Config{Claims: 3, ClaimSize: 500, Concurrency: concurrency, SettlesLate: true}
		sum := 0
		for n, most := range newTerms(c).claimMost {
			if most < 1 {
				t.Errorf("concurrency %d: claim %d takes nothing", concurrency, n)
			}
			sum += most
		}
		if sum != concurrency {
			t.Errorf("concurrency %d: claims of %d", concurrency, sum)
		}
	}
}

func TestSharedRunsTakeInHandWhatTheySendInAMoment(t *testing.T) {
	t.Parallel()
	c := Config{Claims: 3, ClaimSize: 500, Concurrency: 64, Idempotent: true}
	if s := newSizer(newTerms(c), 0, false, true); s.next != 500 {
		t.Errorf("alone: %d", s.next)
	}
	if s := newSizer(newTerms(c), 0, true, false); s.next != probeSize {
		t.Errorf("where others may be: %d", s.next)
	}
	s := newSizer(newTerms(c), 0, true, true)
	if s.next != 42 {
		t.Errorf("at first: %d", s.next)
	}
	for _, step := range []struct {
		n    int
		took time.Duration
		want int
	}{
		{42, 10 * time.Millisecond, 500},         // fast: CLAIM_SIZE is the most
		{500, 4 * claimLife, 125},                // as many as take claimLife
		{125, 10 * time.Second, 42},              // slow: no fewer than keep the senders busy
		{0, time.Millisecond, probeSize},         // somebody else's place
		{8, 500 * time.Millisecond, 42},          // not any more
		{42, 0, 500},                             // a clock that stands still
		{42, claimLife, 42}, {42, 1<<63 - 1, 42}, // as aimed at; absurdly slow
	} {
		if s.note(step.n, step.took); s.next != step.want {
			t.Errorf("after %d in %s: %d, want %d", step.n, step.took, s.next, step.want)
		}
	}
}
