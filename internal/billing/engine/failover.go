package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// lastPatience is how long a run that ends tries once more to reach the database.
const lastPatience = 10 * time.Second

// failover is the ledger of a run that lives through a fail-over of the database, which
// may lose what was committed last. On another timeline nothing is sent or settled until
// all that the run remembers stands again.
type failover struct {
	Ledger
	port     Failover // nil: what is committed stays
	renderer Renderer
	memory   *memory
	stop     *stopper
	log      zerolog.Logger

	deadline   time.Duration // of an intent, from its commit
	linger     time.Duration // how long other runs are waited for
	idempotent bool
	keyTTL     time.Duration // how long the API remembers a key, less the longest request
	untrusted  bool          // the ledger did not trust the database as the run began

	gate sync.RWMutex // held by who writes again what is remembered; shared by each other commit
	// Guarded by gate:
	behind bool                      // what is remembered may not stand
	unlike map[billing.InvoiceID]int // attempts that were written again, and whose invoice makes another request by now

	halted  atomic.Bool               // nothing may be sent
	keysDie atomic.Pointer[time.Time] // the database may have forgotten requests, and the API forgets their keys then; nil: it has not
	turn    sync.Mutex                // held by who waits for the other runs
	others  atomic.Pointer[others]    // nil: they are not waited for
}

// newFailover is around the ledger of the ports. deadline is an intent's, from its commit.
func newFailover(c Config, p Ports, deadline time.Duration, stop *stopper, log zerolog.Logger) *failover {
	f := &failover{
		Ledger: p.Ledger, port: p.Failover, renderer: p.Renderer, memory: newMemory(c.RunID), stop: stop, log: log,
		unlike: make(map[billing.InvoiceID]int), deadline: deadline, linger: c.Linger, idempotent: c.Idempotent, keyTTL: c.KeyTTL - c.Timeout,
	}
	if !c.Forgotten.IsZero() {
		f.untrusted = true
		f.repeat(c.Forgotten)
	}
	return f
}

// others are the unfinished runs that may still have something to write again.
type others struct {
	since time.Time // this run has begun to write again
	until time.Time // they are waited for
}

// Commit implements Ledger.
func (f *failover) Commit(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (c billing.Committed, err error) {
	switch {
	case len(end) == 0:
		c.Begun, err = f.begin(ctx, begin)
	case len(begin) == 0 || f.others.Load() != nil || f.keysDead(): // what ends waits for neither
		c.Ended, err = f.settle(ctx, f.commitEnds, end)
		c.PutOff = len(begin) > 0
	default:
		c, err = f.both(ctx, begin, end)
	}
	return c, err
}

// both commits what begins and what ends in one. On another timeline what begins is given
// back, as begin does.
func (f *failover) both(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (c billing.Committed, err error) {
	moved := false
	ended, err := f.settle(ctx, func(ctx context.Context, group []billing.Settlement) (_ []billing.Settled, err error) {
		sent := time.Now()
		c, err = f.Ledger.Commit(ctx, begin, group)
		moved = errors.Is(err, billing.ErrFailedOver)
		if !moved && f.port != nil {
			f.memory.begin(begin, c.Begun, sent)
		}
		return c.Ended, err
	}, end)
	if moved {
		c = billing.Committed{}
		err = errors.Join(err, f.stand(ctx, begin))
	}
	c.Ended = ended
	return c, err
}

func (f *failover) commitEnds(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
	c, err := f.Ledger.Commit(ctx, nil, group)
	return c.Ended, err
}

// halts says that nothing may be sent: the database is on another timeline.
func (f *failover) halts() bool { return f != nil && f.halted.Load() }

// begin commits intents. Those that meet another timeline are given back: what they were
// made from was seen on the old one, and their locks were held there.
func (f *failover) begin(ctx context.Context, intents []billing.Intent) (ours map[billing.InvoiceID]struct{}, err error) {
	if err := f.othersStand(ctx, true); err != nil {
		return nil, err
	}
	if f.keysDead() {
		f.stop.stop(billing.StoppedByFailover, fmt.Errorf("%w, and the API its keys: BILLING_IDEMPOTENCY_TTL has passed since the newest request that it knows. %s", billing.ErrForgotten, compare))
		return nil, nil
	}
	f.gate.RLock()
	moved := f.behind
	if !moved {
		sent := time.Now()
		var c billing.Committed
		c, err = f.Ledger.Commit(ctx, intents, nil)
		ours, moved = c.Begun, errors.Is(err, billing.ErrFailedOver)
		if err == nil && f.port != nil {
			f.memory.begin(intents, ours, sent)
		}
	}
	f.gate.RUnlock()
	if moved {
		return nil, f.stand(ctx, intents)
	}
	return ours, err
}

// settle settles a group, by whatever settles it, and once more on another timeline.
func (f *failover) settle(ctx context.Context, by settling, group []billing.Settlement) ([]billing.Settled, error) {
	if f.port == nil {
		return by(ctx, group)
	}
	came := make([]billing.Settled, len(group))
	rest := make([]int, len(group)) // of the group, still to be settled
	for i := range rest {
		rest[i], came[i] = i, billing.NotSettled
	}
	for {
		moved, err := f.settleOnce(ctx, by, group, came, rest)
		if !moved {
			return came, err
		}
		if err := f.stand(ctx, nil); err != nil {
			return came, err
		}
		left := rest[:0]
		for _, i := range rest {
			if came[i] == billing.NotSettled {
				left = append(left, i)
			}
		}
		rest, by = left, f.commitEnds // a claim's own transaction is gone
	}
}

// settleOnce settles what is left of a group; moved: the database is on another timeline.
func (f *failover) settleOnce(ctx context.Context, by settling,
	group []billing.Settlement, came []billing.Settled, rest []int,
) (moved bool, err error) {
	f.gate.RLock()
	defer f.gate.RUnlock()
	if f.behind {
		return true, nil
	}
	part := make([]billing.Settlement, len(rest))
	for n, i := range rest {
		part[n] = group[i]
		part[n].Unlike = part[n].Unlike || f.unlike[part[n].InvoiceID] == part[n].Attempt
	}
	sent := time.Now()
	of, err := by(ctx, part)
	f.memory.end(part, of, sent)
	for n, i := range rest {
		group[i], came[i] = part[n], of[n]
	}
	return errors.Is(err, billing.ErrFailedOver), err
}

// stand returns once all that is remembered stands in the database as it is now. Of the
// intents, whose commit may have survived, no request was sent: those are given back.
func (f *failover) stand(ctx context.Context, unsure []billing.Intent) error {
	f.halted.Store(true)
	f.gate.Lock()
	defer f.gate.Unlock()
	unsure = f.memory.doubt(unsure)
	for again := true; again; {
		moved, err := f.port.Follow(ctx)
		if err != nil {
			return fmt.Errorf("look for a fail-over: %w", err)
		}
		f.behind = f.behind || moved
		again = false
		if f.behind {
			unsure = f.memory.doubted() // that they were given back may be lost, too
			switch err := f.writeAgain(ctx); {
			case errors.Is(err, billing.ErrFailedOver):
				again = true
			case err != nil:
				return fmt.Errorf("write again what a fail-over has lost: %w", err)
			}
		}
	}
	f.behind = false
	f.halted.Store(false)
	return f.giveBack(ctx, unsure)
}

// giveBack frees intents that stand though nobody knew that they were committed.
func (f *failover) giveBack(ctx context.Context, unsure []billing.Intent) error {
	if len(unsure) == 0 {
		return nil
	}
	group := make([]billing.Settlement, len(unsure))
	for i, in := range unsure {
		group[i] = billing.Settlement{
			InvoiceID: in.InvoiceID, RunID: f.memory.runID, Attempt: in.Attempt, RunAttempt: in.RunAttempt - 1, State: billing.Retry,
			Doubtful: in.Seen.MayHaveActed(), KeyUse: billing.KeyUnused,
		}
	}
	if _, err := f.commitEnds(ctx, group); !errors.Is(err, billing.ErrFailedOver) {
		return err
	}
	return nil // the next commit meets that one
}

// check looks for a fail-over where no commit may have met it, and for the other runs.
func (f *failover) check(ctx context.Context) error {
	if f == nil || f.port == nil {
		return nil
	}
	if f.halted.Load() { // it was tried in vain
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lastPatience)
		defer cancel()
	}
	if err := f.stand(ctx, nil); err != nil {
		return err
	}
	return f.othersStand(ctx, false)
}

// othersStand returns once no unfinished run may have something to write again, or it has
// taken too long; or, where it is not patient, at once.
func (f *failover) othersStand(ctx context.Context, patient bool) error {
	if f.others.Load() == nil {
		return nil
	}
	f.turn.Lock()
	defer f.turn.Unlock()
	for o := f.others.Load(); o != nil; o = f.others.Load() {
		behind, err := f.port.Behind(ctx)
		switch {
		case err != nil:
			return err
		case len(behind) == 0:
			if f.others.CompareAndSwap(o, nil) {
				return f.port.Accept(ctx, "runs that lived through the fail-over have written again what was missing")
			}
			continue
		case !patient || f.stop.stopped():
			return nil
		case time.Now().After(o.until):
			if f.others.CompareAndSwap(o, nil) {
				return f.forget(ctx, o.since, fmt.Sprintf("%d unfinished runs have not written theirs again, among them %s", len(behind), behind[0]))
			}
			continue
		}
		f.stop.wait(lingerPoll)
	}
	return nil
}

// forget goes by the rules for a run that starts: where keys make a repeat harmless it goes
// on, and otherwise it sends no more.
func (f *failover) forget(ctx context.Context, since time.Time, why string) error {
	age, err := f.port.Doubt(ctx, since)
	if err != nil {
		return err
	}
	if f.idempotent && billing.KeyAlive(age, f.keyTTL) {
		f.repeat(time.Now().Add(-age))
		f.log.Warn().Str("event", "another_database").Msg("the database may have forgotten what was sent: it was failed over, and " + why + ". Going on, since the API honours idempotency keys")
		return nil
	}
	f.stop.stop(billing.StoppedByFailover, fmt.Errorf("%w: it was failed over, and %s. %s", billing.ErrForgotten, why, compare))
	return nil
}

const compare = "Compare with the billing API's own list: `batch reconcile FILE --adopt`; then: `batch resume --accept-database --reason …`"

// repeat takes what looks untried for a repeat: its key counts as used since the newest
// request that the database knows.
func (f *failover) repeat(newest time.Time) {
	die := newest.Add(f.keyTTL - billing.KeyMargin(f.keyTTL))
	f.keysDie.Store(&die)
}

// repeats says that the database may have forgotten requests.
func (f *failover) repeats() bool { return f != nil && f.keysDie.Load() != nil }

// keysDead says that the API may have forgotten the keys of requests that the database may
// have forgotten.
func (f *failover) keysDead() bool {
	die := f.keysDie.Load()
	return die != nil && tooLate(*die)
}

// tell says what a fail-over has lost, and what of it stands again.
func (f *failover) tell(came again) {
	log := f.log.With().Str("event", "failed_over").Int("remembered", came.checked).Logger()
	if came.missing+came.late+came.homeless == 0 {
		log.Info().Msg("the database was failed over: all that this run remembers stands")
		return
	}
	log.Warn().Int("missing", came.missing).Int("late", came.late).Int("other_request", came.unlike).
		Int("not_written", came.homeless+came.refused).
		Msg("the database was failed over and has lost deliveries (missing) or what they came to (late): they are written again. " +
			"Invoices that make another request by now stay pending and are open")
}
