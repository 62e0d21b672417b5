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
	since  time.Time                 // it began to be written again; zero: it stands
	unlike map[billing.InvoiceID]int // attempts that were written again, and whose invoice makes another request by now

	halted    atomic.Bool               // nothing may be sent
	keysDie   atomic.Pointer[time.Time] // the database may have forgotten requests, and the API forgets their keys then; nil: it has not
	suspected atomic.Bool               // more may be lost than this run remembers; what it writes afterwards itself clears nobody
	turn      sync.Mutex                // held by who waits for the other runs
	others    atomic.Pointer[others]    // nil: they are not waited for
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

// Commit implements Ledger.
func (f *failover) Commit(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (c billing.Committed, err error) {
	switch {
	case len(end) == 0:
		c.Begun, err = f.begin(ctx, begin)
	case len(begin) == 0 || f.holdsBack(): // what ends waits for neither
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
		if f.holdsBack() { // since it was looked at
			c.PutOff = true
			return f.commitEnds(ctx, group)
		}
		sent := time.Now()
		c, err = f.Ledger.Commit(ctx, begin, group)
		moved = errors.Is(err, billing.ErrFailedOver)
		switch {
		case moved:
			f.memory.doubt(begin)
		case f.port != nil:
			f.memory.begin(begin, c.Begun, sent)
		}
		return c.Ended, err
	}, end)
	if moved {
		c = billing.Committed{}
	}
	c.Ended = ended
	return c, err
}

func (f *failover) commitEnds(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
	c, err := f.Ledger.Commit(ctx, nil, group)
	return c.Ended, err
}

// halts says that nothing may be sent: the database is on another timeline, or it is not
// known to be on the same one.
func (f *failover) halts() bool { return f != nil && f.halted.Load() }

// begin commits intents. Those that meet another timeline are given back: what they were
// made from was seen on the old one, and their locks were held there.
func (f *failover) begin(ctx context.Context, intents []billing.Intent) (ours map[billing.InvoiceID]struct{}, err error) {
	waited := f.others.Load() != nil
	err = f.othersStand(ctx, true)
	if err == nil {
		if waited {
			return nil, nil // what they were made from was seen before the others stood
		}
		if f.keysDead() {
			f.stop.stop(billing.StoppedByFailover, fmt.Errorf("%w, and the API its keys: BILLING_IDEMPOTENCY_TTL has passed since the newest request that it knows. %s", billing.ErrForgotten, compare))
			return nil, nil
		}
		ours, err = f.beginOnce(ctx, intents)
	}
	if errors.Is(err, billing.ErrFailedOver) {
		return nil, f.stand(ctx)
	}
	return ours, err
}

func (f *failover) beginOnce(ctx context.Context, intents []billing.Intent) (map[billing.InvoiceID]struct{}, error) {
	f.gate.RLock()
	defer f.gate.RUnlock()
	switch {
	case f.behind:
		return nil, billing.ErrFailedOver
	case f.holdsBack(): // since it was looked at
		return nil, nil
	}
	sent := time.Now()
	c, err := f.Ledger.Commit(ctx, intents, nil)
	switch {
	case errors.Is(err, billing.ErrFailedOver):
		f.memory.doubt(intents)
	case err == nil && f.port != nil:
		f.memory.begin(intents, c.Begun, sent)
	}
	return c.Begun, err
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
		if err := f.stand(ctx); err != nil {
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

// stand returns once all that is remembered stands in the database as it is now.
func (f *failover) stand(ctx context.Context) error {
	f.halted.Store(true)
	f.gate.Lock()
	defer f.gate.Unlock()
	f.halted.Store(true) // who was before has ended it
	for again := true; again; {
		moved, err := f.port.Follow(ctx)
		if err != nil {
			return fmt.Errorf("look for a fail-over: %w", err)
		}
		f.behind = f.behind || moved
		again = false
		if f.behind {
			switch err := f.writeAgain(ctx); {
			case errors.Is(err, billing.ErrFailedOver):
				again = true
			case err != nil:
				return fmt.Errorf("write again what a fail-over has lost: %w", err)
			}
		}
	}
	f.behind, f.since = false, time.Time{}
	f.halted.Store(false)
	f.giveBack(ctx)
	return nil
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
	for {
		if err := f.stand(ctx); err != nil {
			return err
		}
		if err := f.othersStand(ctx, false); !errors.Is(err, billing.ErrFailedOver) {
			return err
		}
	}
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
