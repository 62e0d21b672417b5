package engine

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/failpoint"
)

// deliverer takes claims through the stages, from the second look to the release.
type deliverer struct {
	ledger   Ledger
	planner  planner
	recaller recaller
	asker    asker
	intender intender
	settler  *settler
	troubles *troubles
	stop     *stopper
	log      zerolog.Logger
	hand     *hand
	pace     *pace
	onePer   *onePer // nil: values are not kept apart
	ahead    int     // invoices that are looked at again, and begun, at once
}

// deliver takes one claim of a pass from its second look to its release. stuck is
// called, again and again, while its last requests are waited for.
func (d *deliverer) deliver(ctx context.Context, p *pass, c *claim, stuck func()) (err error) {
	detached := context.WithoutCancel(ctx)
	defer func() {
		c.await(stuck)
		err = errors.Join(err, d.settler.settleLate(detached, c))
		failpoint.Hit("before_release")
		if rerr := c.Release(detached); rerr != nil {
			// Everything is settled already: the locks are gone early, no more.
			d.log.Warn().Err(rerr).Msg("a claim's connection broke before its release")
		}
		p.addProgress(c.begun)
		p.addHeld(c.fenced)
		if c.kept {
			p.endEarly()
		}
	}()
	defer c.leave()
	rest := c.IDs
	for len(rest) > 0 && d.live(c) {
		d.hand.takeLook()
		n := min(len(rest), d.ahead, d.hand.most())
		l, err := takeLook(ctx, d.ledger, rest[:n])
		if err != nil {
			d.hand.give(billing.LookMost)
			return err
		}
		unsent, err := d.begin(ctx, p, c, l)
		if err != nil {
			return err
		}
		rest = append(unsent, rest[n:]...)
	}
	if c.lost() {
		p.addHeld(len(rest)) // by whoever has the locks now: a later pass looks
		return nil
	}
	for range rest {
		p.addWaiting(0)
	}
	return nil
}

// live says whether the claim may begin more. Where that has to wait for the pace, the
// claim is given back.
func (d *deliverer) live(c *claim) bool {
	return !d.stop.stopped() && !c.lost() && d.pace.keeps(c)
}

// begin does what a look shows is to be done: it settles what needs no request, asks
// about what is in doubt, and begins the rest, as long as the look is fresh. It returns
// the invoices that have to be looked at again.
func (d *deliverer) begin(ctx context.Context, p *pass, c *claim, l look) (unsent []billing.InvoiceID, err error) {
	all, read := l.invoices, l.invoices[:0:0]
	for _, inv := range all {
		if inv.Unread {
			unsent = append(unsent, inv.ID)
			continue
		}
		read = append(read, inv)
	}
	d.hand.note(len(read), len(all), d.ahead)
	l.invoices = read
	steps, questions, err := d.plan(ctx, p, c, l)
	if err == nil {
		steps, err = d.onePer.first(ctx, p, c, steps)
	}
	if err != nil {
		d.hand.give(billing.LookMost)
		return nil, err
	}
	clear(all) // the rows: the requests are made
	clear(read)
	d.hand.give(billing.LookMost - inHand(steps))
	defer func() { d.hand.give(inHand(steps)) }() // what is not begun
	if len(questions) > 0 {
		a := d.asker.ask(ctx, c, questions)
		p.addProgress(a.decided)
		p.addInDoubt(a.stillInDoubt)
		for _, d := range a.waits {
			p.addWaiting(d)
		}
	}
	// A look-up takes its time: what was seen before it is stale.
	if len(questions) == 0 && len(steps) > 0 && d.live(c) {
		steps, err = d.intender.intend(ctx, c, steps, func() bool { return !l.stale() && d.live(c) })
		if err != nil {
			return nil, err
		}
	}
	for i := range steps {
		unsent = append(unsent, steps[i].intent.InvoiceID)
	}
	return unsent, nil
}

// plan returns what needs a request, and what is to be looked up. The rest is settled,
// or left and counted.
func (d *deliverer) plan(ctx context.Context, p *pass, c *claim, l look) (steps, questions []step, err error) {
	v := view{l.at, c.Recoverable, p.turn == doubtsToo}
	plans := make([]step, len(l.invoices))
	for i, inv := range l.invoices {
		plans[i] = d.planner.plan(inv, v)
	}
	if err := d.recaller.recall(ctx, l.invoices, plans, v); err != nil {
		return nil, nil, err
	}
	steps = plans[:0]
	for _, s := range plans {
		switch s.do {
		case toBegin, toRepeat:
			d.troubles.prepared(s.request)
			steps = append(steps, s)
		case toAsk:
			questions = append(questions, s)
		case toSettle:
			p.addProgress(1)
			c.open.Add(1)
			d.settler.settle(ended{settlement: s.settlement(s.decision), claim: c})
		case toLeave:
			d.leave(p, s)
		}
	}
	return steps, questions, nil
}

// inHand is what steps keep in memory, in bytes.
func inHand(steps []step) (bytes int) {
	for i := range steps {
		bytes += size(steps[i].request)
	}
	return bytes
}

// leave counts why an invoice is left.
func (d *deliverer) leave(p *pass, s step) {
	switch s.why {
	case heldByOther:
		p.addHeld(1)
	case notDue:
		p.addWaiting(s.dueIn)
	case mayArrive:
		d.troubles.tally.LeftSending.Store(true)
		p.addWaiting(s.dueIn)
	case stillInDoubt:
		p.addInDoubt(1)
	case unrendered:
		d.onePer.setAside(s.intent.InvoiceID)
		p.addSetAside(s.intent.InvoiceID, s.err)
	case notOurs:
	}
}
