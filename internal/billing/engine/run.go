package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing"
)

// Run is one run. It is whole as it is made, and is done once.
type Run struct {
	config Config
	tally  *billing.Tally

	stop      *stopper
	lock      *keeping
	canary    *canary
	heard     *heard
	standing  Standing
	pace      *pace
	budget    *budget
	lingering lingering

	scan      *scan
	producer  *producer
	queue     *queue
	sender    *sender
	settler   *settler
	proof     *proof     // nil: there is no look-up
	submitted *submitted // likewise
	sharing   *sharing   // nil: BILLING_RATE is this runner's alone, or there is none
	troubles  *troubles
	unmarked  *marker
	failover  *failover
	repeated  bool // the last pass was begun with failover.repeats

	aside billing.FoundSetAside
}

// New makes a run. Its tally may be read while it goes on.
func New(c Config, p Ports, tally *billing.Tally, log zerolog.Logger) *Run {
	t := newTerms(c)
	stop, budget, flight := newStopper(log), newBudget(c.Limit), &inFlight{}
	f := newFailover(c, p, intentDeadline(t.intentLife, c.Timeout), stop, log)
	p.Ledger = f
	r := &Run{
		config: c, tally: tally, stop: stop, lock: newKeeping(p.RunLock, stop, log), failover: f,
		heard: newHeard(c.WantsID), standing: p.Standing,
		lingering: lingering{most: c.Linger, stop: stop, log: log},
		troubles:  newTroubles(c.RunID, tally, log),
	}
	r.lock.failover = f
	var values *onePer
	if p.Values != nil {
		values = newOnePer(p.Values, t, log)
	}
	right := right{stop, newPace(c, stop, log), r.lock}
	if p.Rate != nil && c.Rate > 0 {
		r.sharing = newSharing(p.Rate, right, log)
	}
	right.pace.showIn(&tally.Pace)
	r.queue = newQueue(right.pace.queueLow(t.queueLow), flight)
	r.settler = &settler{
		ledger: p.Ledger, late: f.settle, troubles: r.troubles, stop: stop, flight: flight,
		wait: t.groupWait, wake: make(chan struct{}, 1), ended: make(chan struct{}, 1),
	}
	r.unmarked = &marker{unmarked: p.Unmarked, settler: r.settler, tally: tally, log: log}
	h := newHand(t.ahead)
	r.sender = &sender{
		hand: h,
		port: p.Sender, keeper: p.Keeper, queue: r.queue, flight: flight, settler: r.settler, tally: tally, troubles: r.troubles,
		stop: stop, lock: r.lock, failover: f, pace: right.pace, heard: r.heard, breaker: newBreaker(c.Breaker, stop, log), overdue: c.SubmittedFor, timeout: c.Timeout,
		known: t.known, runID: c.RunID, maxAttempts: c.MaxAttempts,
	}
	r.scan = &scan{
		scanner: p.Scanner, budget: budget, pace: right.pace, onePer: values, stop: stop, tally: tally, troubles: r.troubles,
		runID: c.RunID, maxAttempts: c.MaxAttempts, shared: c.Spread,
	}
	if p.Rest != nil && c.Spread {
		r.scan.rest = &rest{port: p.Rest, claims: t.claims}
	}
	planner := planner{
		renderer: p.Renderer, known: t.known, runID: c.RunID, ledgerID: c.LedgerID, keyTTL: c.KeyTTL, maxAttempts: c.MaxAttempts, lookUpAfter: c.LookUpAfter, pace: right.pace,
		failover: f,
	}
	if c.HasLookup {
		r.proof = &proof{
			lookUp: p.LookUp, tests: p.Tests, scanner: p.Scanner, ledger: p.Ledger, planner: planner, pace: right.pace,
			settings: c.LookUpBy, after: c.LookUpAfter, timeout: c.Timeout, byReply: c.LookUpByReply, log: log, own: newControls(c.LookUpAfter),
		}
		r.sender.proof = r.proof
		if p.Submitted != nil {
			r.submitted = &submitted{
				port: p.Submitted, renderer: p.LookUps, proof: r.proof, settler: r.settler, tally: tally,
				most: c.Concurrency, after: c.LookUpAfter, overdue: c.SubmittedFor,
			}
		}
	}
	deliverer := &deliverer{
		hand:   h,
		ledger: p.Ledger, asker: asker{r.proof, c.Concurrency, r.settler, tally, c.SubmittedFor}, settler: r.settler,
		planner: planner, recaller: recaller{p.Keeper, p.Kept, planner, r.troubles},
		troubles: r.troubles, stop: stop, log: log, pace: right.pace, onePer: values, ahead: t.ahead,
	}
	r.producer = &producer{
		newClaimer: p.NewClaimer, scan: r.scan, deliverer: deliverer, budget: budget, tally: tally, stop: stop, log: log,
		pace: right.pace, terms: t, shared: c.Spread, senders: c.Concurrency,
	}
	r.pace, r.budget = right.pace, budget
	r.canary = &canary{
		first: c.Canary, claim: t.claimMost[0], scan: r.scan, producer: r.producer, budget: budget, heard: r.heard, pace: right.pace, stop: stop, log: log, place: rand.Float64(),
	}
	intents := newIntents(f, r.troubles, r.queue, h, t.intentLife, c.Timeout)
	if t.holdsSlots {
		slots := newSlots(right, c.Concurrency)
		r.settler.slots, r.producer.busy = slots, slots.inUse
		deliverer.intender = &justAhead{intents: intents, slots: slots, settler: r.settler}
	} else {
		r.sender.right, r.producer.busy = &right, flight.count
		deliverer.intender = atOnce{intents}
	}
	return r
}

// Do sends every pending invoice that it can get, and returns when a whole
// pass over the table finds nothing more to claim, or when it is told to stop:
// by ctx (SIGTERM: requests in flight are given Drain to end, and are settled
// whatever happens), or by the loss of the run lock where that can't be taken
// again.
func (r *Run) Do(ctx context.Context) billing.Summary {
	began := time.Now()
	detached := context.WithoutCancel(ctx)
	claiming, stopClaiming := context.WithCancel(detached)
	sending, giveUp := context.WithCancel(detached)
	defer giveUp()

	finished := make(chan struct{})
	var background, senders sync.WaitGroup
	end := ending{r.stop, r.sender.flight, r.config.Deadline, r.config.Drain, stopClaiming, giveUp}
	background.Go(func() { end.watch(ctx, finished) })
	background.Go(func() { r.lock.keep(claiming) })
	background.Go(func() { r.settler.run(detached) })
	background.Go(func() { r.keepStanding(detached, finished) })
	for range r.config.Concurrency {
		senders.Go(func() { r.sender.loop(claiming, sending) })
	}

	if r.sharing != nil {
		background.Go(func() { r.sharing.keep(detached, finished) })
	}
	if r.proof != nil {
		background.Go(func() { r.proof.keep(detached, finished) })
	}
	left, earlier, err := r.passesBesideSubmitted(claiming)
	r.stop.because(err)
	r.queue.close()
	senders.Wait()
	r.settler.close()
	close(finished)
	background.Wait()
	if ctx.Err() == nil {
		r.unmarked.mark(detached)
	}
	if err := errors.Join(r.failover.check(detached), r.failover.pendingAgain(detached, &earlier)); err != nil {
		r.stop.stop(billing.StoppedByError, err)
	}
	r.troubles.earlier(earlier)
	r.troubles.totals()

	reason, cause := r.stop.cause()
	s := billing.Summarize(r.tally, left, earlier, time.Since(began), reason, cause)
	s.FoundSetAside = r.aside
	if wait := r.pace.notBefore(); wait > 0 {
		at := time.Now().Add(wait).UTC().Truncate(time.Second)
		s.NotBefore = &at
	}
	return s
}

// Stands makes sure that all that the run has committed stands, whatever a fail-over has
// lost: once more if the database is failed over before it knows of the run's end.
// The error says why it is not known to, though the run has ended.
func (r *Run) Stands(ctx context.Context) error {
	if err := r.failover.check(ctx); err != nil {
		return err
	}
	if reason, err := r.stop.cause(); reason == billing.StoppedByFailover {
		return err
	}
	return nil
}

// Halted says that a fail-over may have lost what the run has committed, and that it could
// not yet be written again.
func (r *Run) Halted() bool { return r.failover.halts() }

// Repeated says that the database may have forgotten requests, and that the run has gone
// through all of it since, under the protection of keys.
func (r *Run) Repeated() bool { return r.repeated }

// passesBesideSubmitted makes the passes, and asks meanwhile, and for as long as the run
// lingers, what became of what the API has taken.
func (r *Run) passesBesideSubmitted(ctx context.Context) (left billing.Left, earlier billing.Earlier, err error) {
	if r.submitted == nil {
		return r.passes(ctx, func() {})
	}
	beside, end := context.WithCancel(ctx)
	defer end()
	var asking errgroup.Group
	left, earlier, err = r.passes(ctx, func() {
		asking.Go(func() error { return r.submitted.beside(beside) })
	})
	end()
	if aerr := asking.Wait(); err == nil && aerr != nil {
		err = r.stop.unlessStopped(ctx, aerr)
	}
	if err != nil || r.stop.stopped() {
		return left, earlier, err
	}
	return left, earlier, r.stop.unlessStopped(ctx, r.submitted.linger(ctx, r.lingering.ends()))
}

// passes goes over the table until a whole pass finds nothing more to claim
// and nothing is worth lingering for: for new invoices first, then for what is to be
// tried again, then for what is in doubt.
func (r *Run) passes(ctx context.Context, canarySent func()) (left billing.Left, earlier billing.Earlier, err error) {
	if r.proof != nil {
		if err := r.proof.begin(ctx); err != nil {
			return left, earlier, r.stop.unlessStopped(ctx, err)
		}
	}
	if err := r.canary.probe(ctx); err != nil {
		return left, earlier, err
	}
	if err := r.canary.send(ctx); err != nil {
		return left, earlier, err
	}
	if r.proof != nil && r.canary.first > 0 && !r.stop.stopped() {
		if err := r.proof.again(ctx); err != nil {
			return left, earlier, r.stop.unlessStopped(ctx, err)
		}
	}
	if !r.stop.stopped() {
		canarySent()
	}
	place, cuts, now, asked := r.config.Place, 0, newOnes, false
	for first := true; ; first = false {
		if err := r.canary.probe(ctx); err != nil {
			return left, earlier, err
		}
		r.repeated = r.failover.repeats()
		p, err := r.scan.newPass(ctx, place)
		if err != nil {
			return left, earlier, r.stop.unlessStopped(ctx, err)
		}
		place = rand.Float64()
		p.turn, p.mayCut = now, cuts < cutsMost
		if err := r.producer.work(ctx, p, first); err != nil {
			return left, earlier, err
		}
		if !r.stop.stopped() && r.budget.spent() {
			r.stop.stop(billing.StoppedByLimit, nil)
		}
		r.takeEarlier(&earlier, p)
		r.takeAside(p)
		if p.whole() && !r.stop.stopped() {
			asked = asked || p.turn == doubtsToo
			now = p.after(r.config.HasLookup && !r.config.LookUpByReply, asked)
			if now != p.turn && (p.later > 0 || now == doubtsToo) {
				cuts = 0
				continue
			}
		}
		switch p.verdict() {
		case over:
			return p.leaves(), earlier, nil
		case progress:
			r.lingering.end()
			cuts = 0
		case cut:
			cuts++
			r.stop.wait(r.lingering.pause(p))
		case idle:
			if !r.lingering.wait(p) {
				return p.left, earlier, nil
			}
		}
	}
}

// keepStanding records the first request that was accepted, and the wait that has
// stopped the run.
func (r *Run) keepStanding(ctx context.Context, finished <-chan struct{}) {
	if r.standing == nil {
		return
	}
	record := func(err error) {
		if err != nil {
			r.troubles.log.Warn().Err(err).Msg("can't record for the next runs what the billing API has said")
		}
	}
	select {
	case <-r.heard.first:
		record(r.standing.Accepted(ctx))
		<-finished
	case <-finished:
		if r.heard.accepted.Load() > 0 {
			record(r.standing.Accepted(ctx))
		}
	}
	if wait := r.pace.notBefore(); wait > 0 {
		record(r.standing.Throttled(ctx, wait))
	}
}

// takeEarlier takes in, from the first pass over the whole table, or from the last one
// before a stop, what earlier runs have ended, and from the look-ups what stays in doubt.
func (r *Run) takeEarlier(earlier *billing.Earlier, p *pass) {
	switch {
	case !earlier.Whole && (p.whole() || r.stop.stopped()):
		*earlier = p.earlier
		earlier.Whole = p.whole()
	case p.turn == doubtsToo && p.whole():
		earlier.InDoubt = min(earlier.InDoubt, p.earlier.InDoubt) // what this run has put there is not earlier
	}
}

// takeAside takes in what was set aside from the latest pass that has met all that is
// pending; from any pass, as long as there was none.
func (r *Run) takeAside(p *pass) {
	met := p.whole() && p.later == 0 && p.queueing.waits == 0
	if met || !r.aside.Whole {
		r.aside = billing.FoundSetAside{Invoices: p.aside, Whole: met}
	}
}
