package billing

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// plan is what to do about each invoice that is still pending.
type plan struct {
	attempts []*attempt
	settle   []Settlement
	lookUps  []*attempt
}

func (d *delivering) plan(invoices []Invoice) plan {
	var p plan
	for _, inv := range invoices {
		d.planOne(&p, inv)
	}
	return p
}

func (d *delivering) planOne(p *plan, inv Invoice) {
	r := d.runner
	seen := inv.Delivery
	if seen != nil && !d.mayTry(inv.ID, seen) {
		return
	}
	inv.Key = r.key(inv.ID)
	msg, err := r.Renderer.Render(inv)
	if err != nil && !seen.mayHaveActed() {
		if !d.pass.addUnrendered() {
			return
		}
		r.Log.Warn().Err(err).Str("invoice_id", string(inv.ID)).Msg("no request can be made of this invoice: left pending")
		return
	}
	msg.InvoiceID = inv.ID
	msg.IdempotencyKey = inv.Key
	hash := sha256.Sum256(msg.Body)
	a := &attempt{
		delivering: d,
		message:    msg,
		intent: Intent{
			InvoiceID: inv.ID, Attempt: 1, RunAttempt: 1,
			Key: msg.IdempotencyKey, BodySHA256: hash[:], Seen: seen,
		},
	}
	if seen == nil {
		p.attempts = append(p.attempts, a)
		return
	}
	a.intent.Attempt = seen.Attempt + 1
	if seen.RunID == r.RunID {
		a.intent.RunAttempt = seen.RunAttempt + 1
	}
	if seen.State == Retry && !seen.Doubtful {
		p.attempts = append(p.attempts, a)
		return
	}
	if seen.State == InDoubt {
		if err != nil {
			d.pass.addInDoubt()
			return
		}
		p.lookUps = append(p.lookUps, a)
		return
	}
	a.message.Repeat = true
	a.doubtful, a.keyAge, a.looked = true, seen.KeyAge, time.Now()
	decision := Decide(Known{
		Outcome: Unknown, Idempotent: r.Idempotent, KeyAge: seen.KeyAge, KeyTTL: r.keyTTL(),
		AttemptsLeft: true, HasLookup: r.HasLookup && err == nil,
		BodyChanged:    err != nil || !slices.Equal(hash[:], seen.BodySHA256),
		DeadlinePassed: seen.DeadlinePassed, Recovered: true,
	})
	switch {
	case decision.Action == Wait:
		d.pass.addWaiting(lingerPoll)
	case decision.Action == LookUp:
		p.lookUps = append(p.lookUps, a)
	case decision.Next == Retry:
		p.attempts = append(p.attempts, a)
	default:
		if err != nil {
			decision.Reason += "; and no request can be made of it now: " + err.Error()
		}
		d.pass.progress.Add(1)
		d.open.Add(1)
		p.settle = append(p.settle, a.recovered(decision))
	}
}

// mayTry says whether the delivery is this claim's to try, as of the second look.
func (d *delivering) mayTry(id InvoiceID, seen *Delivery) bool {
	switch seen.State {
	case Retry:
		if seen.DueIn > 0 {
			// Tried by another run since the scan.
			d.pass.addWaiting(seen.DueIn)
			return false
		}
		return seen.RunID != d.runner.RunID || seen.RunAttempt < d.runner.MaxAttempts
	case Sending:
		// Not if somebody took it over between the scan and our lock, and lives.
		if attempt, ok := d.claim.Recoverable[id]; ok && attempt == seen.Attempt {
			return true
		}
		d.pass.addHeld(1)
		return false
	case InDoubt:
		// A look-up that could not be made then may be made now.
		if d.pass.reconciles && seen.DeadlinePassed {
			return true
		}
		d.pass.addInDoubt()
	}
	return false
}

// lookUp asks the API about deliveries whose effect is not known.
func (d *delivering) lookUp(ctx context.Context, attempts []*attempt) error {
	var g errgroup.Group
	g.SetLimit(d.runner.Concurrency)
	for _, a := range attempts {
		d.open.Add(1)
		g.Go(func() error {
			finding, reason := d.runner.Reconciler.LookUp(ctx, a.message)
			if finding == NotKnown && ctx.Err() != nil {
				d.open.Done() // the stop cut the look-up off: it says nothing, and the next run asks again
				return nil
			}
			if finding == NotKnown && a.intent.Seen.State == InDoubt {
				d.open.Done() // what was seen then is better evidence
				d.pass.addInDoubt()
				return nil
			}
			d.pass.progress.Add(1)
			decision := Decide(Known{Outcome: Unknown, LookedUp: true, Finding: finding, AttemptsLeft: true})
			if finding == NotKnown {
				decision.Reason += ": " + reason
			}
			d.settle(a.recovered(decision), false)
			return nil
		})
	}
	return g.Wait()
}
