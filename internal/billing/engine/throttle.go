package engine

import (
	"math"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// ceilingFor is how long a number of requests in flight that was too much is not tried
	// again.
	ceilingFor  = 20 * time.Second
	ceilingMost = 5 * time.Minute
	// unsure is how long a run has to have sent before what was accepted says at what rate
	// the API accepts.
	unsure = time.Second
	// How much the gap between two requests shrinks with each that is accepted: fast
	// while the API's rate is not known, and slowly near it.
	gapFast, gapSlow = 0.8, 0.985
)

// throttle is what the API's throttled replies have taught: how many requests may be in
// flight, and how far apart they begin. The requests in flight are halved, and grow by
// one a round trip (additive increase, multiplicative decrease, as RFC 5681 has it).
type throttle struct {
	ceiling int           // CONCURRENCY
	longest time.Duration // LINGER: no wait of the run is longer

	window     float64 // requests in flight, at most
	tooMany    float64 // in flight, as the API was asked too often; 0: not known
	tooManyTo  time.Time
	tooManyFor time.Duration

	gap     time.Duration // between two requests
	sure    bool          // the gap comes from what the API accepts
	first   time.Time     // reply
	recent  recent        // accepted
	took    time.Duration // what is accepted, of late
	until   time.Time     // nothing begins before
	lowered time.Time     // what began before it says nothing new
	row     int           // lowered so often, with nothing accepted in between
}

func newThrottle(ceiling int, longest time.Duration) throttle {
	return throttle{ceiling: ceiling, longest: longest, window: float64(ceiling)}
}

func (t *throttle) most() int { return max(1, int(t.window)) }

// slowed says that requests are held back.
func (t *throttle) slowed() bool {
	return t.gap > 0 || t.most() < t.ceiling || time.Now().Before(t.until)
}

// lower takes in a throttled reply to a request that began as told, while so many were
// in flight, and that asks for a wait.
func (t *throttle) lower(now, began time.Time, inFlight int, asked time.Duration) {
	if t.first.IsZero() {
		t.first = now
	}
	if asked <= t.longest {
		t.until = later(t.until, now.Add(asked))
	}
	if began.Before(t.lowered) {
		t.fit(now, inFlight-1)
		return
	}
	t.row++
	t.lowered = now
	if asked == 0 {
		t.until = later(t.until, now.Add(min(backoff(t.row), t.longest)))
	}
	t.limitInFlight(now, min(t.window, float64(inFlight)))
	rate := t.recent.rate(now)
	t.sure = now.Sub(t.first) >= unsure && rate > 0
	t.gap = max(t.gap, time.Duration(float64(time.Second)/max(rate, 1)))
	if t.sure {
		t.gap = time.Duration(float64(time.Second) / rate)
	}
}

// fit takes in that no more than so many were not throttled, of those that were in flight
// at once.
func (t *throttle) fit(now time.Time, n int) {
	most := max(1, float64(n), t.needs(now))
	t.window, t.tooMany = min(t.window, most), min(t.tooMany, most+1)
}

// needs is how many are in flight at once where as many are accepted as of late (Little's
// law): fewer would be slower than the API is.
func (t *throttle) needs(now time.Time) float64 {
	return math.Round(t.recent.rate(now) * t.took.Seconds())
}

func (t *throttle) limitInFlight(now time.Time, were float64) {
	were = max(were, t.needs(now)+1)
	if were == t.tooMany {
		t.tooManyFor = min(2*t.tooManyFor, ceilingMost)
	} else {
		t.tooManyFor = ceilingFor
	}
	t.tooMany, t.tooManyTo = were, now.Add(t.tooManyFor)
	t.window = max(1, min(t.window, were)/2)
}

// raise takes in any other reply.
func (t *throttle) raise(now, began time.Time, outcome billing.Outcome) {
	if t.first.IsZero() {
		t.first = now
	}
	if !outcome.IsGood() {
		return
	}
	t.row = 0
	t.recent.add(now)
	if t.took == 0 {
		t.took = now.Sub(began)
	}
	t.took += (now.Sub(began) - t.took) / 8
	if t.gap > 0 {
		shrink := gapFast
		if t.sure {
			shrink = gapSlow
		}
		if t.gap = time.Duration(float64(t.gap) * shrink); t.gap < 100*time.Microsecond {
			t.gap = 0
		}
	}
	if t.window >= float64(t.ceiling) {
		return
	}
	grown := min(t.window+1/t.window, float64(t.ceiling))
	if t.tooMany > 0 && now.Before(t.tooManyTo) {
		grown = min(grown, max(1, t.tooMany-1))
	}
	t.window = max(t.window, grown)
}

// recent counts what came in the last second, by tenths.
type recent struct {
	tenths [10]int
	last   int64
}

func (r *recent) add(now time.Time) {
	r.turn(now)
	r.tenths[r.last%10]++
}

// rate is how many came in the last second.
func (r *recent) rate(now time.Time) (sum float64) {
	r.turn(now)
	for _, n := range r.tenths {
		sum += float64(n)
	}
	return sum
}

func (r *recent) turn(now time.Time) {
	tenth := now.UnixMilli() / 100
	for ; r.last < tenth && r.last > tenth-11; r.last++ {
		r.tenths[(r.last+1)%10] = 0
	}
	if r.last < tenth {
		r.tenths, r.last = [10]int{}, tenth
	}
}
