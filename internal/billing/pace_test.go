package billing

import "testing"

// The breaker opens once: requests that were in flight as it did say nothing new.
func TestBreakerOpensOnce(t *testing.T) {
	t.Parallel()
	b := &breaker{limit: 2}
	opened := 0
	for _, o := range []Outcome{Unknown, Accepted, NotSent, Refused, Unknown, NotSent, Unknown, Accepted, Unknown, Unknown} {
		if b.note(Reply{Outcome: o}) {
			opened++
		}
	}
	if opened != 1 {
		t.Errorf("it opened %d times", opened)
	}
}
