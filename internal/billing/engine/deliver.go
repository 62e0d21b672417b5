package engine

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"billonce/internal/billing"
	"billonce/internal/failpoint"
)

// deliverer takes claims through the stages, from the second look to the release.
type deliverer struct {
	ledger   Ledger
	planner  planner
	asker    asker
	intender intender
	settler  *settler
	troubles *troubles
	stop     *stopper
	log      zerolog.Logger
	hand     *hand
	ahead    int // invoices that are looked at again, and begun, at once
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
	}()
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
	// Of a claim whose locks are lost: whoever has them now, a later pass looks.
	p.addHeld(len(rest))
	return nil
}

func (d *deliverer) live(c *claim) bool { return !d.stop.stopped() && !c.lost() }

// begin does what a look shows is to be done: it settles what needs no request, asks
// about what is in doubt, and begins the rest, as long as the look is fresh. It returns
// the invoices that have to be looked at again.
func (d *deliverer) begin(ctx context.Context, p *pass, c *claim, l look) (unsent []billing.InvoiceID, err error) {
	steps, questions := d.plan(p, c, l)
	for i := range l.invoices {
		if l.invoices[i].Unread {
			unsent = append(unsent, l.invoices[i].ID)
		}
	}
	d.hand.note(len(l.invoices)-len(unsent), len(l.invoices), d.ahead)
	clear(l.invoices) // the rows: the requests are made
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
	for len(questions) == 0 && len(steps) > 0 && d.live(c) {
		n, err := d.intender.intend(ctx, c, l.at, steps)
		if err != nil {
			return nil, err
		}
		steps = steps[n:]
		if l.stale() {
			break
		}
	}
	for i := range steps {
		unsent = append(unsent, steps[i].intent.InvoiceID)
	}
	return unsent, nil
}

// plan returns what needs a request, and what is to be looked up. The rest is settled,
// or left and counted.
func (d *deliverer) plan(p *pass, c *claim, l look) (steps, questions []step) {
	v := view{l.at, c.Recoverable, p.asks}
	steps = make([]step, 0, len(l.invoices))
	for _, inv := range l.invoices {
		if inv.Unread {
			continue
		}
		switch s := d.planner.plan(inv, v); s.do {
		case toBegin, toRepeat:
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
	return steps, questions
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
	case stillInDoubt:
		p.addInDoubt(1)
	case unrendered:
		p.addSetAside(s.intent.InvoiceID, s.err)
	case notOurs:
	}
}
