package engine

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing"
)

// asker asks the API about deliveries whose effect is not known.
type asker struct {
	proof   *proof // nil: there is no look-up
	most    int    // at the same time
	settler *settler
	tally   *billing.Tally
	overdue time.Duration // BILLING_SUBMITTED_FOR
}

// asked is what came of a claim's look-ups.
type asked struct {
	decided, stillInDoubt int
	waits                 []time.Duration // of those that are to be asked about again by this run
}

// ask returns when all of the claim's look-ups are answered, and what they decide is on
// its way to the ledger.
func (a asker) ask(ctx context.Context, c *claim, steps []step) (came asked) {
	for len(steps) > 0 && ctx.Err() == nil {
		before := a.proof.believes(ctx, time.Now().Add(-controlLife))
		if ctx.Err() != nil {
			break // a control that was cut off says nothing
		}
		if before.why != "" {
			for _, s := range steps {
				a.doubt(c, s, before, &came)
			}
			break
		}
		steps = a.between(ctx, c, steps, before, &came)
	}
	return came
}

// between asks about the first of the steps, behind a control that has held; where the
// API says that it has not acted, another control must hold afterwards, in time. It
// returns those that are still to be asked about.
func (a asker) between(ctx context.Context, c *claim, steps []step, before control, came *asked) (rest []step) {
	found := a.questions(ctx, steps, before.asked.Add(billing.ControlsWindow/2))
	after, absent := before, false
	for _, f := range found {
		absent = absent || f.Finding == billing.Absent
	}
	if absent {
		after = a.proof.believes(ctx, time.Now())
	}
	for i, f := range found {
		s := steps[i]
		switch {
		case ctx.Err() != nil && (f.Finding == billing.UnknownFinding || f.Finding == billing.Absent):
			// The stop cut the look-up off, or its control: the next run asks again.
		case f.Throttled:
			a.doubt(c, s, control{why: f.Reason, soon: max(f.RetryAfter, lingerPoll)}, came)
		case f.Finding == billing.Absent && s.intent.Seen.SubmittedFor > 0,
			f.Finding == billing.SubmittedFinding && s.intent.Seen.SubmittedFor >= a.overdue:
			a.doubt(c, s, control{why: f.Reason}, came) // what the API has taken is never sent again by itself
		case f.Finding == billing.Absent && s.request.HasRowHeaders():
			a.doubt(c, s, control{why: billing.AbsentByRow}, came)
		case f.Finding == billing.Absent && after.why != "":
			a.doubt(c, s, after, came)
		case f.Finding == billing.Absent && after.asked.Sub(before.asked) > billing.ControlsWindow:
			a.doubt(c, s, control{why: billing.AbsentUnproved}, came)
		case f.Finding == billing.UnknownFinding:
			a.doubt(c, s, control{why: lookedUp(f).Reason}, came)
		default:
			a.decide(c, s, f, came)
		}
	}
	return steps[len(found):]
}

// questions asks about steps, about the first one at least and about no more once until
// has passed, and returns what it found of each.
func (a asker) questions(ctx context.Context, steps []step, until time.Time) []billing.Found {
	found := make([]billing.Found, len(steps))
	var g errgroup.Group
	g.SetLimit(a.most)
	for n := range steps {
		if n > 0 && time.Now().After(until) {
			found = found[:n]
			break
		}
		g.Go(func() error {
			found[n] = a.proof.ask(ctx, steps[n].request)
			return nil
		})
	}
	_ = g.Wait() // no look-up is an error
	return found
}

// decide settles what the look-up has decided.
func (a asker) decide(c *claim, s step, f billing.Found, came *asked) {
	a.tally.LookedUp.Add(1)
	a.settle(c, s, lookedUp(f), came)
}

// doubt leaves in doubt what the look-up does not decide, or in `sending` what it may
// decide soon.
func (a asker) doubt(c *claim, s step, why control, came *asked) {
	switch {
	case s.intent.Seen.State == billing.InDoubt:
		came.stillInDoubt++ // what was seen then is better evidence
	case why.soon > 0:
		came.waits = append(came.waits, why.soon)
	default:
		a.settle(c, s, billing.Decision{Next: billing.InDoubt, Reason: why.why}, came)
	}
}

func (a asker) settle(c *claim, s step, d billing.Decision, came *asked) {
	came.decided++
	c.open.Add(1)
	a.settler.settle(ended{settlement: s.settlement(d), claim: c})
}

// lookedUp says what a finding makes of a delivery.
func lookedUp(f billing.Found) billing.Decision {
	d := billing.Decide(billing.Known{Outcome: billing.Unknown, LookedUp: true, Finding: f.Finding, AttemptsLeft: true})
	if d.Next == billing.InDoubt || d.Next == billing.Failed {
		d.Reason += ": " + f.Reason
	}
	return d
}
