package engine

import (
	"testing"

	"billonce/internal/billing"
)

// The breaker opens once: requests that were in flight as it did say nothing new.
func TestBreakerOpensOnce(t *testing.T) {
	t.Parallel()
	b := &breaker{limit: 2}
	opened := 0
	for _, o := range []billing.Outcome{billing.Unknown, billing.Accepted, billing.NotSent, billing.Refused, billing.Unknown, billing.NotSent, billing.Unknown, billing.Accepted, billing.Unknown, billing.Unknown} {
		if b.note(billing.Reply{Outcome: o}) {
			opened++
		}
	}
	if opened != 1 {
		t.Errorf("it opened %d times", opened)
	}
}
