package billing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"billonce/internal/failpoint"
)

const (
	// aheadFactor bounds how many intents are committed ahead of their requests
	// where a repeat is harmless: commits are what costs there.
	aheadFactor = 8
	// An intent that is not sent within its life goes back to `retry` unsent.
	// Where the API is not idempotent, intents are committed just ahead of their
	// requests, and the life is short, since a recovered `sending` waits for it.
	intentLifeWithoutKeys = 5 * time.Second
	intentLifeLongest     = 2 * time.Minute
	intentLifeShortest    = time.Second
	// deadlineMargin is what the ledger's deadline allows for beyond the request's own.
	deadlineMargin = time.Second
	// lookLife is how long a second look is acted upon: what the application
	// takes back meanwhile is sent all the same.
	lookLife = time.Second
)

// delivering is one claim on its way through intent, send and settle.
type delivering struct {
	runner *Runner
	lanes  *lanes
	pass   *pass
	claim  *Claim
	begun  int // intents committed

	open sync.WaitGroup // deliveries not yet settled (row: not yet replied to)

	mu      sync.Mutex
	settles []groupItem // row: what the claim's own transaction will write
}

// deliver takes one claim from intent to release.
func (d *delivering) deliver(ctx context.Context) (err error) {
	detached := context.WithoutCancel(ctx)
	defer func() {
		d.await()
		err = errors.Join(err, d.settleOnClaim(detached))
		failpoint.Hit("before_release")
		if rerr := d.claim.Release(detached); rerr != nil {
			// Everything is settled already: the locks are gone early, no more.
			d.runner.Log.Warn().Err(rerr).Msg("a claim's connection broke before its release")
		}
	}()
	rest := d.claim.IDs
	for len(rest) > 0 && d.live() {
		n := d.ahead(len(rest))
		seen, err := d.look(ctx, rest[:n])
		if err != nil {
			return err
		}
		unsent, err := d.send(ctx, seen)
		if err != nil {
			return err
		}
		rest = append(unsent, rest[n:]...)
	}
	// Of a claim whose locks are lost: whoever has them now, a later pass looks.
	d.pass.addHeld(len(rest))
	return nil
}

// await returns when all that was begun is settled (row: replied to).
func (d *delivering) await() {
	settled := make(chan struct{})
	go func() {
		d.open.Wait()
		close(settled)
	}()
	stuck := time.NewTicker(stuckAfter)
	defer stuck.Stop()
	for {
		select {
		case <-settled:
			return
		case <-stuck.C:
			d.lanes.standIn()
		}
	}
}

// send takes what a look found through intent to the senders, as long as the
// look is fresh. It returns the invoices that have to be looked at again.
func (d *delivering) send(ctx context.Context, seen looked) (rest []InvoiceID, err error) {
	attempts := seen.attempts
	for len(attempts) > 0 && d.live() && !seen.lookedUp {
		n, err := d.sendGroup(ctx, attempts)
		if err != nil {
			return nil, err
		}
		attempts = attempts[n:]
		if time.Since(seen.at) > lookLife {
			break
		}
	}
	for _, a := range attempts {
		rest = append(rest, a.intent.InvoiceID)
	}
	return rest, nil
}

// sendGroup takes the first of the attempts to their senders, and says how many.
func (d *delivering) sendGroup(ctx context.Context, attempts []*attempt) (int, error) {
	r := d.runner
	if r.Idempotent {
		begun, err := d.intend(ctx, attempts)
		// One lane after the other: while this one's are sent, the others claim.
		// Else all would run out of invoices at the same moment, in step for ever.
		r.turn.Lock()
		r.queue.put(begun)
		r.turn.Unlock()
		return len(attempts), err
	}
	// One group at a time: the slots that become free while it is being
	// committed are the next group. Else each freed slot would make a group,
	// and a commit, of its own.
	r.turn.Lock()
	n := r.reserveSlots(ctx, len(attempts))
	begun, err := d.intend(ctx, attempts[:n])
	r.turn.Unlock()
	r.free(n - len(begun))
	r.queue.put(begun)
	return n, err
}

func (d *delivering) live() bool {
	return !d.runner.stop.stopped() && !isClosed(d.claim.Lost)
}

// ahead is how many intents are committed at once where a repeat is harmless.
func (d *delivering) ahead(wanted int) int {
	r := d.runner
	ahead := aheadFactor * r.Concurrency
	if r.Rate > 0 {
		ahead = min(ahead, max(1, int(r.Rate*r.intentLife().Seconds()/4)))
	}
	return min(wanted, ahead)
}

// queueLow is how many attempts may be left as a lane hands over its next ones: enough
// for the senders to go on with. Where they are held back, an intent would grow old by
// that.
func (r *Runner) queueLow() int {
	if r.Rate > 0 {
		return 0
	}
	return r.Concurrency
}

// looked is what a second look found to send.
type looked struct {
	at       time.Time
	attempts []*attempt
	lookedUp bool // the API was asked meanwhile, which takes its time: it is stale
}

// look takes the second look at claimed invoices. What needs no request is
// settled; the rest is what may be sent.
func (d *delivering) look(ctx context.Context, ids []InvoiceID) (looked, error) {
	at := time.Now() // the keys' ages are as of the look
	invoices, err := d.runner.Looker.Look(ctx, ids)
	if err != nil {
		return looked{}, fmt.Errorf("look at claimed invoices again: %w", err)
	}
	plan := d.plan(invoices)
	if err := d.lookUp(ctx, plan.lookUps); err != nil {
		return looked{}, err
	}
	for _, s := range plan.settle {
		d.settle(s, false)
	}
	for _, a := range plan.attempts {
		a.sendBy = at.Add(d.runner.intentLife())
	}
	return looked{at, plan.attempts, len(plan.lookUps) > 0}, nil
}

// intend commits the intents of attempts, and returns those that are ours to send.
func (d *delivering) intend(ctx context.Context, attempts []*attempt) ([]*attempt, error) {
	r := d.runner
	if len(attempts) == 0 {
		return nil, nil
	}
	intents := make([]Intent, len(attempts))
	for i, a := range attempts {
		intents[i] = a.intent
	}
	committed, err := r.Intender.Intend(context.WithoutCancel(ctx), intents, r.intentLife()+r.Timeout+deadlineMargin)
	if err != nil {
		return nil, fmt.Errorf("record intents: %w", err)
	}
	begun := make([]*attempt, 0, len(attempts))
	for _, a := range attempts {
		if _, ok := committed[a.intent.InvoiceID]; !ok {
			// The fence held: another run is at it, whatever the locks say.
			r.Log.Warn().Str("invoice_id", string(a.intent.InvoiceID)).Msg("another run has this invoice's delivery: left to it")
			d.pass.addHeld(1)
			continue
		}
		d.noteBegun(a)
		begun = append(begun, a)
	}
	d.begun += len(begun)
	d.pass.progress.Add(int64(len(begun)))
	d.open.Add(len(begun))
	return begun, nil
}

func (d *delivering) noteBegun(a *attempt) {
	r, seen := d.runner, a.intent.Seen
	switch {
	case seen == nil:
	case seen.State == Retry && seen.RunID == r.RunID:
		r.Tally.Retry.Add(-1)
	case seen.State == Sending:
		r.Tally.Recovered.Add(1)
		r.Log.Info().Str("invoice_id", string(a.intent.InvoiceID)).Int("attempt", a.intent.Attempt).
			Msg("recovered: its sender is gone; sending again under the same key")
	}
}

// settle hands a settlement to whoever may write it.
func (d *delivering) settle(s Settlement, slot bool) {
	i := groupItem{settlement: s, open: &d.open, slot: slot}
	if d.claim.Settler == nil {
		d.runner.group.add(i)
		return
	}
	d.mu.Lock()
	d.settles = append(d.settles, i)
	d.mu.Unlock()
	d.open.Done()
}

// settleOnClaim writes a row claim's outcomes as the claim ends.
func (d *delivering) settleOnClaim(ctx context.Context) error {
	if d.claim.Settler == nil || len(d.settles) == 0 {
		return nil
	}
	err := d.runner.settle(ctx, d.claim.Settler, d.settles)
	if err != nil {
		return fmt.Errorf("settle a claim: %w", err)
	}
	return nil
}

// intentLife is how long after its intent a request may still be begun. It is
// shorter than the margin that a key's age is given ([KeyMargin]), so that no
// request under a key that was judged young arrives after the API forgot it.
func (r *Runner) intentLife() time.Duration {
	if r.Idempotent {
		return max(intentLifeShortest, min(intentLifeLongest, KeyMargin(r.keyTTL())/2))
	}
	return intentLifeWithoutKeys
}

// keyTTL is how old a key may be when its request is begun, so that it arrives
// in time.
func (r *Runner) keyTTL() time.Duration { return r.KeyTTL - r.Timeout }

// key is the idempotency key of an invoice: a name-based UUID (RFC 9562,
// section 5.5) of the ledger and the invoice, never of the attempt.
func (r *Runner) key(id InvoiceID) string {
	return uuid.NewSHA1(r.LedgerID, []byte(id)).String()
}
