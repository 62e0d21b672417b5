package engine

import (
	"testing"
	"time"
)

// The API may ask for a pause while a sender waits for its turn by BILLING_RATE.
func TestPauseHoldsWhoWaitsForTheRate(t *testing.T) {
	t.Parallel()
	p := newPace(20)
	if err := p.wait(t.Context()); err != nil { // the turn that is there at once
		t.Fatal(err)
	}
	paused := make(chan time.Duration)
	go func() {
		if err := p.wait(t.Context()); err != nil {
			t.Error(err)
		}
		paused <- p.pausedFor()
	}()
	p.pause(200 * time.Millisecond)
	if left := <-paused; left > 0 {
		t.Errorf("its turn came %s before the pause was over", left)
	}
}
