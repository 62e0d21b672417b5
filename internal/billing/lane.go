package billing

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
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
	claimTries     = 5
)

// delivering is one claim on its way through intent, send and settle.
type delivering struct {
	runner *Runner
	pass   *pass
	claim  *Claim
	begun  int // intents committed

	open sync.WaitGroup // deliveries not yet settled (row: not yet replied to)

	mu      sync.Mutex
	settles []Settlement // row: what the claim's own transaction will write
}

// lane claims and delivers until the pass is over.
func (r *Runner) lane(p *pass) (err error) {
	claimer := r.NewClaimer()
	defer func() {
		if cerr := claimer.Close(context.WithoutCancel(r.claimCtx)); cerr != nil {
			r.Log.Debug().Err(cerr).Msg("closing a claim's connection")
		}
	}()
	for {
		candidates, err := p.next(r.claimCtx)
		if err != nil {
			return r.unlessStopped(err)
		}
		if len(candidates) == 0 {
			return nil
		}
		claim, err := r.claim(claimer, candidates)
		if err != nil {
			r.budget.give(len(candidates))
			return r.unlessStopped(err)
		}
		held := len(candidates) - len(claim.IDs)
		p.addHeld(held)
		r.Tally.Candidates.Add(int64(len(candidates)))
		r.Tally.HeldByThem.Add(int64(held))

		d := &delivering{runner: r, pass: p, claim: claim}
		err = d.deliver(r.claimCtx)
		r.budget.give(len(candidates) - d.begun)
		if err != nil {
			return r.unlessStopped(err)
		}
	}
}

// unlessStopped drops an error that is only the echo of the run being stopped.
func (r *Runner) unlessStopped(err error) error {
	if r.stop.stopped() && r.claimCtx.Err() != nil {
		r.Log.Debug().Err(err).Msg("claiming ended by the stop")
		return nil
	}
	return err
}

// claim tries again on a new connection when the old one breaks: nothing was
// begun yet, so nothing is lost.
func (r *Runner) claim(c Claimer, candidates []Candidate) (*Claim, error) {
	for try := 1; ; try++ {
		claim, err := c.Claim(r.claimCtx, candidates)
		if err == nil {
			return claim, nil
		}
		if try == claimTries || r.stop.stopped() {
			return nil, fmt.Errorf("claim invoices: %w", err)
		}
		r.Log.Warn().Err(err).Int("try", try).Msg("claiming again")
		if err := sleep(r.claimCtx, backoff(try)); err != nil {
			return nil, err
		}
	}
}

// deliver takes one claim from intent to release.
func (d *delivering) deliver(ctx context.Context) (err error) {
	detached := context.WithoutCancel(ctx)
	defer func() {
		d.open.Wait()
		if serr := d.settleOnClaim(detached); err == nil {
			err = serr
		}
		if rerr := d.claim.Release(detached); rerr != nil {
			// Everything is settled already: the locks are gone early, no more.
			d.runner.Log.Warn().Err(rerr).Msg("a claim's connection broke before its release")
		}
	}()
	for rest := d.claim.IDs; len(rest) > 0 && d.live(); {
		n, err := d.next(ctx, rest)
		if n == 0 || err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// next takes a group from rest to its senders, and returns its size.
func (d *delivering) next(ctx context.Context, rest []InvoiceID) (int, error) {
	r := d.runner
	if r.Idempotent {
		n := d.ahead(len(rest))
		attempts, err := d.group(ctx, rest[:n])
		d.begin(ctx, attempts)
		return n, err
	}
	// One group at a time: the senders that become free while it is being
	// committed are the next group. Else each freed sender would make a group,
	// and a commit, of its own.
	r.turn.Lock()
	n := r.reserveSlots(ctx, len(rest))
	attempts, err := d.group(ctx, rest[:n])
	r.turn.Unlock()
	r.free(n - len(attempts))
	d.begin(ctx, attempts)
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

// group looks again and commits the intents of those invoices that are to be
// sent. It returns their attempts.
func (d *delivering) group(ctx context.Context, ids []InvoiceID) ([]*attempt, error) {
	r := d.runner
	if len(ids) == 0 {
		return nil, nil
	}
	life := r.intentLife()
	sendBy := time.Now().Add(life) // the keys' ages are as of the look
	invoices, err := r.Looker.Look(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look at claimed invoices again: %w", err)
	}
	plan := d.plan(invoices)
	if err := d.lookUp(ctx, plan.lookUps); err != nil {
		return nil, err
	}
	for _, s := range plan.settle {
		d.settle(s)
	}
	if len(plan.attempts) == 0 {
		return nil, nil
	}
	intents := make([]Intent, len(plan.attempts))
	for i, a := range plan.attempts {
		intents[i] = a.intent
	}
	committed, err := r.Intender.Intend(context.WithoutCancel(ctx), intents, life+r.Timeout+deadlineMargin)
	if err != nil {
		return nil, fmt.Errorf("record intents: %w", err)
	}
	begun := plan.attempts[:0]
	for _, a := range plan.attempts {
		if _, ok := committed[a.intent.InvoiceID]; !ok {
			// The fence held: another run is at it, whatever the locks say.
			r.Log.Warn().Str("invoice_id", string(a.intent.InvoiceID)).Msg("another run has this invoice's delivery: left to it")
			d.pass.addHeld(1)
			continue
		}
		a.sendBy = sendBy
		if seen := a.intent.Seen; seen != nil && seen.State == Retry && seen.RunID == r.RunID {
			r.Tally.Retry.Add(-1)
		}
		if a.intent.Seen != nil && a.intent.Seen.State == Sending {
			r.Tally.Recovered.Add(1)
			r.Log.Info().Str("invoice_id", string(a.intent.InvoiceID)).Int("attempt", a.intent.Attempt).
				Msg("recovered: its sender is gone; sending again under the same key")
		}
		begun = append(begun, a)
	}
	d.begun += len(begun)
	d.pass.progress.Add(int64(len(begun)))
	d.open.Add(len(begun))
	return begun, nil
}

// begin hands attempts to the senders.
func (d *delivering) begin(ctx context.Context, attempts []*attempt) {
	r := d.runner
	for _, a := range attempts {
		if r.Idempotent && !r.reserveSlot(ctx) {
			d.settle(a.unasked())
			continue
		}
		r.work <- a
	}
}

// settle hands a settlement to whoever may write it.
func (d *delivering) settle(s Settlement) {
	if d.claim.Settler == nil {
		d.runner.group.add(groupItem{s, &d.open})
		return
	}
	d.mu.Lock()
	d.settles = append(d.settles, s)
	d.mu.Unlock()
	d.open.Done()
}

// settleOnClaim writes a row claim's outcomes as the claim ends.
func (d *delivering) settleOnClaim(ctx context.Context) error {
	if d.claim.Settler == nil || len(d.settles) == 0 {
		return nil
	}
	came, err := d.claim.Settler.Settle(ctx, d.settles)
	d.runner.noteSettled(d.settles, came)
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
