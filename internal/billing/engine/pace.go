package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// holdMost is how long what is claimed waits for the pace. Who has to wait longer
	// holds nothing meanwhile.
	holdMost = time.Second
	// pacedLife is how long what is claimed takes to be begun, where the pace holds it back.
	pacedLife = 500 * time.Millisecond
	// claimTakes is what a claim takes on a database that has other work to do, too.
	claimTakes = 100 * time.Millisecond
	// queuedMost is how old an intent may grow in the queue of a run that is held back.
	queuedMost = 2 * time.Second
	// slack is how far a run that was kept from sending may catch up with BILLING_RATE, and
	// learnedSlack with a pace that it has learned: an API's own clock has more of it, and who
	// is wrong is told so.
	slack        = 50 * time.Millisecond
	learnedSlack = 250 * time.Millisecond
)

// pace holds requests back: by BILLING_RATE, and as throttled replies ask for it. What
// waits for it has no intent yet, and is not even claimed: a claim takes what may be
// begun soon.
type pace struct {
	stop *stopper
	log  zerolog.Logger
	turn chan struct{} // held by the claim that may begin requests, while they are held back

	mu       sync.Mutex
	changed  chan struct{} // closed as a wait may be shorter than it was; nil: nobody waits
	rate     float64       // requests a second; 0: any
	next     time.Time     // no request begins before
	inFlight int
	throttle throttle
	wall     wall
	part     part
	shown    *billing.Pacing
	lookUp   time.Time // when look-ups took their share last
}

func newPace(c Config, stop *stopper, log zerolog.Logger) *pace {
	return &pace{
		stop: stop, log: log, turn: make(chan struct{}, 1), rate: c.Rate,
		throttle: newThrottle(c.Concurrency, c.Linger), wall: newWall(c), part: newPart(), shown: &billing.Pacing{},
	}
}

// showIn has the pace shown in what others may look at.
func (p *pace) showIn(shown *billing.Pacing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = shown
	p.shown.InFlight(0, p.throttle.most())
	if p.rate > 0 {
		p.slowed("BILLING_RATE")
	}
}

// slowed shows to what the run was slowed down, and why. The caller holds mu, as of what
// follows.
func (p *pace) slowed(why string) {
	slow := billing.LowestPace{AtOnce: p.throttle.most(), Why: why}
	if every := p.interval(); every > 0 {
		slow.PerSecond = math.Round(100*float64(time.Second)/float64(every)) / 100
	}
	p.shown.SlowTo(slow)
}

// interval is between the beginnings of two requests.
func (p *pace) interval() time.Duration {
	if p.rate == 0 {
		return p.throttle.gap
	}
	return max(p.throttle.gap, time.Duration(float64(time.Second)*float64(p.part.runners)/p.rate))
}

// untilNext is how long until one more request may begin; room: it waits for one in
// flight to end, or to be counted among those that share the rate.
func (p *pace) untilNext(now time.Time) (d time.Duration, room bool) {
	return max(p.next.Sub(now), p.throttle.until.Sub(now)), p.inFlight >= p.throttle.room(now) || p.part.away()
}

func (p *pace) begin(now time.Time) {
	p.inFlight++
	p.throttle.begin(now, p.inFlight)
	p.part.used = now
	p.shown.Began(now, p.inFlight)
	p.next = later(p.next, now.Add(-p.slack())).Add(p.interval())
}

func (p *pace) slack() time.Duration {
	if p.rate > 0 {
		return slack
	}
	return learnedSlack
}

// tell wakes who waits.
func (p *pace) tell() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// ready takes the right to one more request if it may begin now.
func (p *pace) ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if d, room := p.untilNext(now); d > 0 || room {
		return false
	}
	p.begin(now)
	return true
}

// await takes the right to one more request once it may begin. It returns false where
// the run is stopping, or where the wait is too long for what is claimed.
func (p *pace) await(ctx context.Context) bool {
	return p.wait(ctx, holdMost, p.untilNext, p.begin)
}

// wait returns true once it is time, and that has been counted.
func (p *pace) wait(ctx context.Context, most time.Duration, until func(now time.Time) (time.Duration, bool), count func(now time.Time)) bool {
	for {
		p.mu.Lock()
		now := time.Now()
		d, room := until(now)
		if d <= 0 && !room {
			count(now)
			p.mu.Unlock()
			return true
		}
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		if d > most {
			return false
		}
		if d <= 0 {
			d = openFor // for one in flight, which tells, or for the opening's end
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		case <-p.stop.done:
		}
		timer.Stop()
		if ctx.Err() != nil || p.stop.stopped() {
			return false
		}
	}
}

// enter waits until a claim may begin requests; leave lets the next one do so. While
// nothing is held back they all may. It returns false where the run is stopping, or where
// the claim has waited for its patience, and the run rests.
func (p *pace) enter(ctx context.Context, patience time.Duration) (leave func(), may bool) {
	if !p.limited() {
		return func() {}, true
	}
	p.want(1)
	tired := time.Now().Add(patience)
	select {
	case p.turn <- struct{}{}:
	case <-p.stop.done:
		p.want(-1)
		return func() {}, false
	case <-ctx.Done():
		p.want(-1)
		return func() {}, false
	}
	leave = sync.OnceFunc(func() { <-p.turn; p.want(-1) })
	return leave, p.wait(ctx, forever-1, func(now time.Time) (d time.Duration, room bool) {
		d, room = p.untilClaim(now)
		switch {
		case d <= 0 || !p.rests(now):
			return d, room
		case now.Before(tired):
			return min(d, tired.Sub(now)), room
		}
		return forever, room
	}, func(time.Time) {})
}

// rests says that the API has the run wait, and that nothing is in flight.
func (p *pace) rests(now time.Time) bool {
	return p.inFlight == 0 && now.Before(p.throttle.until)
}

// want counts what has something to send; -1 as it has nothing more.
func (p *pace) want(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.part.want(n)
}

// untilClaim is how long until it is time to claim: a claim takes its time, and one in
// flight may end meanwhile.
func (p *pace) untilClaim(now time.Time) (d time.Duration, room bool) {
	d, room = p.untilNext(now)
	return d, room && (p.part.away() || p.throttle.ends(pacedLife) < 1)
}

const forever = 1<<63 - 1

// waitForLookUp returns when one more look-up may begin. Look-ups take what requests leave
// of the rate, and a tenth of it at least. They count for no request in flight.
func (p *pace) waitForLookUp(ctx context.Context) error {
	p.want(1)
	defer p.want(-1)
	for ctx.Err() == nil {
		d := p.untilLookUp(time.Now())
		if d <= 0 {
			return nil
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return ctx.Err()
}

// untilLookUp takes the right to one more look-up, or says how long to wait before it is
// asked for again.
func (p *pace) untilLookUp(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.throttle.until.Sub(now); d > 0 {
		return d
	}
	if p.part.away() {
		return countEvery
	}
	every := p.interval()
	if d := p.next.Sub(now); d > 0 && now.Sub(p.lookUp) < 10*every {
		return min(d, 10*every-now.Sub(p.lookUp)) + rand.N(every+time.Millisecond)
	}
	p.lookUp, p.part.used = now, now
	p.next = later(p.next, now.Add(-slack)).Add(every)
	return 0
}

// slowLookUps takes in that a look-up was throttled.
func (p *pace) slowLookUps(asked time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.throttle.until = later(p.throttle.until, time.Now().Add(min(max(asked, backoff(1)), p.throttle.longest)))
}

// size is how many of n one claim may take: what it can begin soon.
func (p *pace) size(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.limits() {
		return n
	}
	return max(1, min(n, p.soon(pacedLife)))
}

// soon is how many more requests may begin within d. The caller holds mu.
func (p *pace) soon(d time.Duration) int {
	n := max(p.throttle.most()-p.inFlight, p.throttle.ends(d))
	if every := p.interval(); every > 0 {
		n = min(n, int(d/every))
	}
	return n
}

// queueLow is how many attempts may be left as the next ones are queued: most, or, where
// they would grow old there, what is begun while the next claim is made.
func (p *pace) queueLow(most int) func() int {
	return func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.limits() {
			return most
		}
		return min(most, p.soon(claimTakes))
	}
}

func (p *pace) limits() bool { return p.rate > 0 || p.throttle.slowed() }

func (p *pace) limited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limits()
}

// keeps says whether what is claimed may wait for its turn. What was claimed while
// nothing was held back is given back as that changes.
func (p *pace) keeps(c *claim) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return (c.paced || !p.limits()) && (c.alone || !p.wall.probing) && time.Until(p.throttle.until) <= holdMost
}

// giveBack gives back rights of which no request came.
func (p *pace) giveBack(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight -= n
	p.shown.InFlight(p.inFlight, p.throttle.most())
	p.tell()
}

// probing says that the API is to be asked elsewhere in the book before the run goes on.
func (p *pace) probing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wall.probing
}

// endProbe is called where there is nothing elsewhere in the book to ask the API by.
func (p *pace) endProbe() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wall.probing = false
}

func (p *pace) linger() time.Duration { return p.throttle.longest }

// heldBack is how long requests for an account wait; 0: they don't.
func (p *pace) heldBack(account string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.wall.accounts[account])
}

// notBefore is how long it makes no sense to run again; 0: the API asks nobody to wait.
func (p *pace) notBefore() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, time.Until(p.wall.over))
}

// heed takes in the reply to a request, and gives its right back.
func (p *pace) heed(r billing.Request, of asking, reply billing.Reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if reply.Outcome == billing.Throttled {
		of.account = account(r)
		own, ends := p.wall.throttled(now, of, reply.RetryAfter)
		p.throttled(now, of, reply, own)
		if ends {
			p.log.Error().Str("run_again_after", p.wall.over.Format(time.RFC3339)).Str("reason", reply.Reason).
				Msg("stopping: the billing API takes no more requests for now, whichever invoice they are for")
			p.stop.stop(billing.StoppedByThrottle, nil)
		}
	} else {
		p.wall.answered(of.began)
		p.throttle.raise(now, of.began, reply.Outcome)
	}
	p.inFlight--
	p.shown.InFlight(p.inFlight, p.throttle.most())
	p.tell()
}

// throttled slows the run down, but for a reply that is about its own invoice alone.
func (p *pace) throttled(now time.Time, of asking, reply billing.Reply, own bool) {
	if own {
		p.shown.Throttled(false)
		return
	}
	if !p.limits() {
		p.log.Warn().Int("http_status", reply.Status).Str("reason", reply.Reason).Msg("the billing API asks for a slower pace: going slower")
	}
	until := p.throttle.until
	p.throttle.lower(now, of.began, p.inFlight, reply.RetryAfter)
	p.shown.Throttled(p.throttle.until.After(until))
	p.slowed(reply.Reason)
	p.next = later(p.next, now.Add(p.interval()))
}
