package engine

import (
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// P8: a run that has one of an API's places, and was refused a second one, doesn't try for
// it again at once: not even where what it has sent took a little longer than it counts.
func TestP8APlaceThatWasRefusedIsNotTriedAtOnce(t *testing.T) {
	t.Parallel()
	const latency, cycle = 103 * time.Millisecond, 100 * time.Millisecond
	now := time.Unix(1_800_000_000, 0)
	l := newThrottle(64, time.Minute)
	l.window = 1
	for range 30 {
		now = now.Add(cycle)
		l.raise(now, now.Add(-latency), billing.Accepted)
	}
	l.lower(now, now.Add(-time.Millisecond), 2, time.Second)
	now = l.until
	for range 30 {
		now = now.Add(cycle)
		if l.raise(now, now.Add(-latency), billing.Accepted); l.most() > 1 {
			t.Fatalf("%d requests at once, %s after the second one was refused", l.most(), now.Sub(l.lowered))
		}
	}
}
