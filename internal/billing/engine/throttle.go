package engine

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// So many requests open a run, until one of so many is answered or has taken so long: a
	// limit that nobody has said is met by few too many.
	openWith = 6
	openFor  = 100 * time.Millisecond
	// A number of requests in flight that was too much is tried again after so many times
	// what it cost: the wait, and half the time until as many are in flight as before.
	tooManyWaits = 60
	tooManyMost  = 5 * time.Minute
	// measureFor is how long what is accepted is counted, at least, before it says at what
	// rate the API accepts.
	measureFor = time.Second
	// quickening is how much faster a run goes each second, for each second that the API has
	// not asked it to go slower. Where there are few requests it is less: what is too fast
	// costs one of them each time.
	quickening = 0.05
	fewGap     = 100 * time.Millisecond
)

const (
	backoffBase = 250 * time.Millisecond
	backoffCap  = 30 * time.Second
)

// backoff is how long to wait after the n-th attempt of a run (from 1):
// exponential with full jitter, so that many runners don't come back together.
func backoff(n int) time.Duration {
	ceiling := backoffCap
	if n < 8 {
		ceiling = min(backoffCap, backoffBase<<(n-1))
	}
	return rand.N(ceiling) + time.Millisecond
}

// throttle is what the API's throttled replies have taught: how many requests may be in
// flight, and how far apart they begin. The requests in flight are halved, and grow by
// one a round trip (additive increase, multiplicative decrease, as RFC 5681 has it).
type throttle struct {
	ceiling int           // CONCURRENCY
	longest time.Duration // LINGER: no wait of the run is longer

	opened  bool      // for more than openWith
	opening time.Time // so many were in flight for the first time; zero: they were not

	window     float64 // requests in flight, at most
	tooMany    float64 // in flight, as the API was asked too often; 0: not known
	tooManyTo  time.Time
	tooManyFor time.Duration

	learned   time.Duration // between two that the API accepts, as it was measured last; 0: it was not
	gap       time.Duration // between two requests: that, made shorter since
	quickened time.Time     // when gap was made shorter last
	measured  time.Time     // since when what is accepted is counted: the API took no more then
	accepted  int           // since then
	waited    time.Duration // since then
	recent    recent        // accepted
	took      time.Duration // what is accepted, of late
	until     time.Time     // nothing begins before
	lowered   time.Time     // what began before it says nothing new
	row       int           // lowered so often, with nothing accepted in between
}

func newThrottle(ceiling int, longest time.Duration) throttle {
	return throttle{ceiling: ceiling, longest: longest, window: float64(ceiling)}
}

func (t *throttle) most() int { return max(1, int(t.window)) }

// room is how many may be in flight now.
func (t *throttle) room(now time.Time) int {
	t.opened = t.opened || !t.opening.IsZero() && now.Sub(t.opening) >= openFor
	if t.opened {
		return t.most()
	}
	return min(openWith, t.most())
}

// ends is how many requests come to their end in a time, as many being in flight as may.
func (t *throttle) ends(d time.Duration) int {
	if t.took == 0 {
		return 0
	}
	return int(time.Duration(t.most()) * d / t.took)
}

// begin takes in that a request begins, of so many in flight.
func (t *throttle) begin(now time.Time, inFlight int) {
	if t.opening.IsZero() && inFlight >= openWith {
		t.opening = now
	}
}

// slowed says that requests are held back.
func (t *throttle) slowed() bool {
	return t.gap > 0 || t.most() < t.ceiling || time.Now().Before(t.until)
}

// lower takes in a throttled reply to a request that began as told, while so many were
// in flight, and that asks for a wait.
func (t *throttle) lower(now, began time.Time, inFlight int, asked time.Duration) {
	t.opened = true
	same := began.Before(later(t.lowered, t.until)) // a burst: what its first one says holds for all
	if asked <= t.longest {
		t.until = later(t.until, now.Add(asked))
	}
	if same {
		t.fit(now, inFlight-1)
		return
	}
	t.lowered, t.quickened = now, now
	if asked <= t.longest {
		t.row++
		wait := backoff(t.row)
		if asked > 0 {
			// Who is asked to wait again, with nothing accepted in between, finds no place
			// beside other runners, and would only take one of theirs.
			wait = max(asked, min(asked<<min(t.row-1, 4), backoffCap))
		}
		t.until = later(t.until, now.Add(min(wait, t.longest)))
		t.measure(now)
		if asked > 0 {
			t.waited += max(0, t.until.Sub(now))
		}
	}
	t.limitInFlight(now, min(t.window, float64(inFlight)))
}

// measure sets the gap by what was accepted since an earlier time at which the API took no
// more. What it has saved up for bursts was used up then, and is now. Some APIs save up
// while they have the run wait, and others, those that take so many at once, don't: half
// of that counts.
func (t *throttle) measure(now time.Time) {
	if !t.measured.IsZero() {
		d := now.Sub(t.measured) - t.waited/2
		if d < measureFor || t.accepted == 0 {
			return
		}
		learned := min(d/time.Duration(t.accepted), backoffCap)
		if t.learned > 0 {
			// The rate is at most halved, as what is in flight: in a short time little is
			// accepted where another runner has just taken a place.
			learned = min(learned, 2*t.learned)
		}
		t.learned, t.gap = learned, learned
	}
	t.measured, t.accepted, t.waited = now, 0, 0
}

// fit takes in that no more than so many were not throttled, of those that were in flight
// at once.
func (t *throttle) fit(now time.Time, n int) {
	most := max(1, float64(n), t.needs(now))
	t.window, t.tooMany = min(t.window, most), min(t.tooMany, most+1)
}

// needs is how many are in flight at once where as many are accepted as of late (Little's
// law): fewer would be slower than the API is. What is counted scatters, so that the next
// whole number above it may be one too many.
func (t *throttle) needs(now time.Time) float64 {
	rate := t.recent.rate(now)
	if t.learned > 0 {
		rate = max(rate, float64(time.Second)/float64(t.learned))
	}
	return math.Round(rate * t.took.Seconds())
}

func (t *throttle) limitInFlight(now time.Time, were float64) {
	were = max(were, t.needs(now)+1)
	growsFor := time.Duration(were/2) * t.took
	again := tooManyWaits * (max(0, t.until.Sub(now)) + growsFor/2)
	if were == t.tooMany {
		again = max(again, 2*t.tooManyFor)
	}
	t.tooManyFor = min(again, tooManyMost)
	// With jitter: runners that were throttled together would try again together.
	t.tooMany, t.tooManyTo = were, now.Add(t.tooManyFor+rand.N(t.tooManyFor/2+1))
	t.window = max(1, min(t.window, were)/2)
}

// raise takes in any other reply.
func (t *throttle) raise(now, began time.Time, outcome billing.Outcome) {
	t.opened = t.opened || !t.opening.IsZero() && !began.Before(t.opening)
	if !outcome.IsGood() {
		return
	}
	t.row = 0
	t.accepted++
	t.recent.add(now)
	if t.took == 0 {
		t.took = now.Sub(began)
	}
	t.took += (now.Sub(began) - t.took) / 8
	t.quicken(now)
	if t.window >= float64(t.ceiling) {
		return
	}
	grown := min(t.window+1/t.window, float64(t.ceiling))
	if t.tooMany > 0 && now.Before(t.tooManyTo) {
		grown = min(grown, max(1, t.tooMany-1))
	}
	t.window = max(t.window, grown)
}

// quicken makes the gap shorter, the faster the longer the API has not asked for a longer
// one.
func (t *throttle) quicken(now time.Time) {
	if t.gap == 0 {
		return
	}
	quicker := quickening * min(1, fewGap.Seconds()/t.gap.Seconds()) * now.Sub(t.lowered).Seconds() * now.Sub(t.quickened).Seconds()
	t.quickened = now
	if t.gap = time.Duration(float64(t.gap) * math.Exp(-quicker)); t.gap < 100*time.Microsecond {
		t.gap = 0
	}
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
