package billing

import (
	"testing"
	"time"
)

func TestNewsSince(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }
	open := func(doubts, failed int64, newest int, set string) Open {
		o := Open{Count: doubts + failed, Of: map[OpenKind]int64{}, Newest: at(newest), Set: set}
		if doubts > 0 {
			o.Of[OpenInDoubt] = doubts
		}
		if failed > 0 {
			o.Of[OpenFailed] = failed
		}
		return o
	}
	for name, c := range map[string]struct {
		before, now Open
		want        News
	}{
		"never anything":              {open(0, 0, 0, ""), open(0, 0, 0, ""), NoNews},
		"the first":                   {open(0, 0, 0, ""), open(1, 0, 5, "a"), NewsOpen},
		"the same":                    {open(1, 0, 5, "a"), open(1, 0, 5, "a"), NoNews},
		"the same, looked up in vain": {open(1, 0, 5, "a"), open(1, 0, 9, "a"), NoNews},
		"one more":                    {open(1, 0, 5, "a"), open(2, 0, 9, "b"), NewsOpen},
		"one of another kind":         {open(2, 0, 5, "a"), open(1, 1, 5, "b"), NewsOpen},
		"one fewer":                   {open(2, 0, 5, "a"), open(1, 0, 5, "b"), NoNews},
		"one went and one came":       {open(1, 0, 5, "a"), open(1, 0, 9, "b"), NewsOpen},
		"none any more":               {open(1, 0, 5, "a"), open(0, 0, 0, ""), NewsNothing},
	} {
		if got := c.now.NewsSince(c.before.Told()); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
