package engine

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"billonce/internal/billing"
)

// asker asks the API about deliveries whose effect is not known.
type asker struct {
	lookUp  LookUp
	most    int // at the same time
	settler *settler
}

// asked is what came of a claim's look-ups.
type asked struct{ decided, stillInDoubt int }

// ask returns when all of the claim's look-ups are answered, and what they decide is on
// its way to the ledger.
func (a asker) ask(ctx context.Context, c *claim, steps []step) asked {
	var decided, stillInDoubt atomic.Int64
	var g errgroup.Group
	g.SetLimit(a.most)
	for _, s := range steps {
		g.Go(func() error {
			finding, reason := a.lookUp.LookUp(ctx, s.request)
			switch {
			case finding == billing.UnknownFinding && ctx.Err() != nil:
				// The stop cut the look-up off: it says nothing, and the next run asks again.
			case finding == billing.UnknownFinding && s.intent.Seen.State == billing.InDoubt:
				stillInDoubt.Add(1) // what was seen then is better evidence
			default:
				decided.Add(1)
				c.open.Add(1)
				a.settler.settle(ended{settlement: decide(s, finding, reason), claim: c})
			}
			return nil
		})
	}
	_ = g.Wait() // no look-up is an error
	return asked{int(decided.Load()), int(stillInDoubt.Load())}
}

// decide says what a finding makes of the delivery.
func decide(s step, finding billing.Finding, reason string) billing.Settlement {
	decision := billing.Decide(billing.Known{Outcome: billing.Unknown, LookedUp: true, Finding: finding, AttemptsLeft: true})
	if finding == billing.UnknownFinding {
		decision.Reason += ": " + reason
	}
	return s.settlement(decision)
}
