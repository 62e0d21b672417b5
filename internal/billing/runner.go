package billing

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// Config is how a run behaves. Zero durations and counts mean "none".
type Config struct {
	RunID    uuid.UUID
	LedgerID uuid.UUID // idempotency keys are derived from it

	Lanes       int     // claims open at the same time, each on a connection of its own
	MostLanes   int     // the same, where slow requests keep claims open
	ClaimSize   int     // invoices a claim, at most
	Concurrency int     // requests in flight, at most; without keys: begun and not yet settled
	SettlesLate bool    // a claim's outcomes are written only as it ends (row)
	Spread      bool    // other runners share the run: start at a place of our own
	Place       float64 // where among the ids the first pass of such a run starts, from 0 to below 1

	Idempotent  bool          // the API honours idempotency keys
	KeyTTL      time.Duration // how long it remembers one
	HasLookup   bool          // it can be asked whether it acted
	Timeout     time.Duration // hard deadline of one request
	MaxAttempts int           // of one invoice in this run
	Rate        float64       // requests a second
	Breaker     int           // consecutive outcomes neither accepted nor refused that stop the run

	Deadline time.Duration // stop claiming after this
	Limit    int           // requests in all
	Canary   int           // requests to be sent first: the rest follows only if all of them are accepted
	Linger   time.Duration // how long to wait for what others hold or what is not yet due
	Drain    time.Duration // how long requests in flight may take once the run is told to stop
}

// Ports are the edges that a run works through.
type Ports struct {
	Scanner    Scanner
	NewClaimer func() Claimer // one for each lane
	Looker     Looker
	Intender   Intender
	Settler    Settler
	Renderer   Renderer
	Sender     Sender
	Reconciler Reconciler // may be nil if HasLookup is false
}

// Runner executes one run.
type Runner struct {
	Config
	Ports
	Log   zerolog.Logger
	Tally Tally // may be read while the run goes on

	sentLog zerolog.Logger // of what is as usual: one in many
	retried kinds          // why attempts were not the last

	stop    *stopper
	pace    *pace
	breaker *breaker
	budget  *budget
	group   *groupSettler
	lock    *keeping

	accepted atomic.Int64 // replies

	turn  sync.Mutex // held by the lane that hands attempts to the senders
	right sync.Mutex // held by the sender that waits for the right to send
	queue *queue
	slots chan struct{} // where attempts hold one: a token for each of Concurrency that is free

	claimCtx context.Context // ends when the run stops claiming
	sendCtx  context.Context // ends when requests in flight are given up
}

const (
	lingerPoll = 250 * time.Millisecond
	sentSample = 100 // sent invoices for each that a debug log shows
)

// Run sends every pending invoice that it can get, and returns when a whole
// pass over the table finds nothing more to claim, or when it is told to stop:
// by ctx (SIGTERM: requests in flight are given Drain to end, and are settled
// whatever happens), or by the loss of the run lock where that can't be taken
// again. A nil lock is none.
func (r *Runner) Run(ctx context.Context, lock RunLock) Summary {
	began := time.Now()
	detached := context.WithoutCancel(ctx)
	var stopClaiming, giveUp context.CancelFunc
	r.claimCtx, stopClaiming = context.WithCancel(detached)
	r.sendCtx, giveUp = context.WithCancel(detached)
	defer giveUp()
	r.lock = keep(lock)
	r.sentLog = r.Log.Sample(&zerolog.BasicSampler{N: sentSample})
	r.stop = newStopper()
	r.pace = newPace(r.Rate)
	r.breaker = &breaker{limit: r.Breaker}
	r.budget = newBudget(r.Limit, r.Canary)
	r.queue = newQueue(r.queueLow())
	r.slots = make(chan struct{}, r.Concurrency)
	r.group = newGroupSettler(detached, r)

	finished := make(chan struct{})
	var background, senders sync.WaitGroup
	background.Go(func() { r.watchStop(ctx, finished, stopClaiming, giveUp) })
	background.Go(r.keepLock)
	background.Go(r.group.run)
	for range r.Concurrency {
		r.slots <- struct{}{}
		senders.Go(r.sendLoop)
	}

	left, earlier, err := r.passes()
	if err != nil {
		r.stop.stop(StoppedByError, err)
	}
	r.queue.close()
	senders.Wait()
	r.group.close()
	close(finished)
	background.Wait()

	reason, cause := r.stop.cause()
	return summarize(&r.Tally, left, earlier, time.Since(began), reason, cause)
}

// watchStop turns whatever ends a run early into its two contexts: claiming
// ends at once, sending is given up only after the drain.
func (r *Runner) watchStop(ctx context.Context, finished <-chan struct{}, stopClaiming, giveUp context.CancelFunc) {
	defer stopClaiming()
	var deadline <-chan time.Time
	if r.Deadline > 0 {
		t := time.NewTimer(r.Deadline)
		defer t.Stop()
		deadline = t.C
	}
	select {
	case <-finished:
		return
	case <-ctx.Done():
		r.stop.stop(StoppedBySignal, context.Cause(ctx))
	case <-deadline:
		r.stop.stop(StoppedByDeadline, nil)
	case <-r.stop.done:
	}
	reason, _ := r.stop.cause()
	r.Log.Warn().Str("event", "stopping").Str("stopped", string(reason)).Msg("stopping: nothing new is claimed or sent; requests in flight are awaited and settled")
	stopClaiming()
	select {
	case <-finished:
		return
	case <-ctx.Done(): // at once, or later on, whatever stopped it first
	}
	drain := time.NewTimer(r.Drain)
	defer drain.Stop()
	select {
	case <-finished:
	case <-drain.C:
		r.Log.Warn().Str("drain_timeout", r.Drain.String()).Msg("DRAIN_TIMEOUT is over: giving up requests in flight; their effect is not known")
		giveUp()
	}
}

// passes goes over the table until a whole pass finds nothing more to claim
// and nothing is worth lingering for.
func (r *Runner) passes() (Left, Earlier, error) {
	var earlier Earlier
	var lingerUntil time.Time
	place, cuts, whole, waited := r.Place, 0, false, false
	for first := true; ; first = false {
		p, err := r.newPass(r.claimCtx, place)
		if err != nil {
			return Left{}, earlier, r.unlessStopped(err)
		}
		place = rand.Float64()
		p.first, p.reconciles, p.mayCut = first, r.HasLookup && !whole, cuts < cutsMost
		if err := r.runPass(p); err != nil {
			return Left{}, earlier, err
		}
		over := r.over()
		if !whole {
			earlier, whole = p.earlier, p.done && !p.wasCut
			if whole || over {
				r.reportEarlier(p)
			}
		}
		switch {
		case over:
			return Left{}, earlier, nil
		case p.progress.Load() > 0:
			lingerUntil, cuts = time.Time{}, 0
			continue
		case p.wasCut:
			cuts++
			r.pause(pollPause())
			continue
		case p.left.Held+p.left.Waiting == 0:
			return p.left, earlier, nil
		}
		if lingerUntil.IsZero() {
			lingerUntil = time.Now().Add(r.Linger)
			if r.Linger > 0 && !waited {
				waited = true
				r.Log.Info().Int("held", p.left.Held).Int("waiting", p.left.Waiting).Str("linger", r.Linger.String()).
					Msg("nothing more to claim now: waiting for invoices that others hold or that are not yet due")
			}
		}
		if !r.linger(p, lingerUntil) {
			return p.left, earlier, nil
		}
	}
}

// over says, between two passes, that the run ends whatever is left: it was told to
// stop, or may send no more.
func (r *Runner) over() bool {
	switch {
	case r.stop.stopped() || !r.canaryLives():
		return true
	case !r.budget.spent() || r.passCanary():
		return false
	}
	r.stop.stop(StoppedByLimit, nil)
	return true
}

// linger waits for a reason to look again; false when there is none left.
func (r *Runner) linger(p *pass, until time.Time) bool {
	next := p.nextDue
	if p.left.Held > 0 || next == 0 {
		// A dead runner's locks are freed by the server without notice to us.
		// A pass that is long itself is not repeated at once.
		next = max(pollPause(), 10*p.elapsed)
	}
	remaining := time.Until(until)
	if remaining <= 0 || (p.left.Held == 0 && p.nextDue > remaining) {
		return false
	}
	r.pause(min(next, remaining))
	return true
}

// pollPause has jitter: two that poll in step could keep finding each other.
func pollPause() time.Duration { return lingerPoll/2 + rand.N(lingerPoll) }

// pause waits for d, or for the stop.
func (r *Runner) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.stop.done:
	}
}

// runPass works through one pass in all lanes, and returns when everything
// that they claimed is settled and released.
func (r *Runner) runPass(p *pass) error {
	began := time.Now()
	l := &lanes{runner: r, pass: p}
	for n := range r.lanes() {
		l.start(n)
	}
	err := l.group.Wait()
	p.elapsed = time.Since(began)
	return err
}

func (r *Runner) reportEarlier(p *pass) {
	e := p.earlier
	if e.Failed+e.InDoubt+e.Cancelled > 0 {
		r.Log.Warn().Int("failed", e.Failed).Int("in_doubt", e.InDoubt).Int("cancelled", e.Cancelled).
			Msg("pending invoices that earlier runs have ended are left alone; see `batch status`")
	}
	if e.Sent > 0 {
		r.Log.Warn().Int("already_sent", e.Sent).Strs("invoice_ids", p.sentAgain).
			Msg("invoices are pending again though they were sent: not sent twice")
	}
}

// newAttemptError names what kept a request from being written.
func newAttemptError(why string) error { return fmt.Errorf("request not started: %s", why) }
