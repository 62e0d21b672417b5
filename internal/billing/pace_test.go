package billing_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billonce/billonce/internal/billing"
)

func TestPacingForgetsAfterAMinute(t *testing.T) {
	t.Parallel()
	var p billing.Pacing
	at := time.Unix(1e9, 0)
	for n := range 90 {
		p.Began(at.Add(time.Duration(n)*time.Second), 1)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{89 * time.Second, 60}, {100 * time.Second, 49}, {148 * time.Second, 1}, {time.Hour, 0}} {
		if n := p.Now(at.Add(c.after)).LastMinute; n != c.want {
			t.Errorf("%d in the minute before %s, want %d", n, c.after, c.want)
		}
	}
}

func TestPacingKeepsTheLowestPace(t *testing.T) {
	t.Parallel()
	var p billing.Pacing
	if p.Now(time.Now()).Lowest != nil {
		t.Error("a pace that nothing has slowed down")
	}
	for _, slow := range []billing.LowestPace{{AtOnce: 64, Why: "all"}, {AtOnce: 8, Why: "fewer"}, {PerSecond: 5, AtOnce: 64, Why: "lowest"}, {PerSecond: 9, AtOnce: 1}, {AtOnce: 1}} {
		p.SlowTo(slow)
	}
	if diff := cmp.Diff(&billing.LowestPace{PerSecond: 5, AtOnce: 64, Why: "lowest"}, p.Now(time.Now()).Lowest); diff != "" {
		t.Error(diff)
	}
}
