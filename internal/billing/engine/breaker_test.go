package engine

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

func reply(status int) billing.Reply {
	r := billing.Reply{Status: status, Outcome: billing.Refused}
	switch status {
	case 200:
		r.Outcome = billing.Accepted
	case 401:
		r.Outcome, r.Denied = billing.NotSent, true
	case 429:
		r.Outcome = billing.Throttled
	case 0, 500:
		r.Outcome = billing.Unknown
	}
	return r
}

// The breaker opens on what is not the invoice's fault, and once: requests that were in
// flight as it did say nothing new.
func TestBreaker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statuses []int
		want     int // replies after which it is open; 0: never
	}{
		"faults":                          {[]int{500, 401, 0, 500}, 3},
		"throttled":                       {[]int{429, 429, 429, 429}, 0},
		"a refusal in between":            {[]int{500, 500, 400, 500, 500}, 0},
		"an acceptance in between":        {[]int{500, 500, 200, 500, 500, 500}, 6},
		"a wrong path":                    {[]int{404, 404, 404}, 3},
		"a gateway, in the middle":        {[]int{200, 404, 400, 405, 403}, 5},
		"customers that are gone":         {[]int{404, 404, 200, 404, 404, 200}, 0},
		"all refused alike":               {[]int{422, 400, 422, 422}, 4},
		"refused alike, once one was not": {[]int{200, 422, 422, 422, 422}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, got := newBreaker(3, nil, zerolog.Nop()), 0
			for i, status := range c.statuses {
				if why := b.note(reply(status), true); why != "" {
					if got != 0 {
						t.Errorf("it opens again after %d: %s", i+1, why)
					}
					got = i + 1
				}
			}
			if got != c.want {
				t.Errorf("it opens after %d replies, want %d", got, c.want)
			}
		})
	}
}

// P8: what earlier runs left for another attempt never stops the run.
func TestP8RetriesOfEarlierRunsDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	b := newBreaker(2, nil, zerolog.Nop())
	for range 10 {
		if why := b.note(reply(500), false) + b.note(reply(404), false); why != "" {
			t.Fatal(why)
		}
	}
	if b.note(reply(500), true) != "" || b.note(reply(500), true) == "" {
		t.Error("new ones do not open it")
	}
}

// Requests that belong elsewhere stop the run at the first; one among others that were
// accepted is its invoice's own.
func TestRedirects(t *testing.T) {
	t.Parallel()
	away := billing.Reply{Status: 308, Outcome: billing.NotSent, Elsewhere: true}
	stop := newStopper(zerolog.Nop())
	b := newBreaker(3, stop, zerolog.Nop())
	if got := b.heed(away, true); got.Outcome != billing.NotSent || !stop.stopped() {
		t.Errorf("the first is %s, stopped %t, want not_sent and a stop", got.Outcome, stop.stopped())
	}
	stop = newStopper(zerolog.Nop())
	b = newBreaker(3, stop, zerolog.Nop())
	b.heed(reply(200), true)
	if got := b.heed(away, true); got.Outcome != billing.Refused || stop.stopped() {
		t.Errorf("one among others is %s, stopped %t, want refused and no stop", got.Outcome, stop.stopped())
	}
}
