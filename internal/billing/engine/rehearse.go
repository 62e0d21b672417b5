package engine

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// Rehearsal is what a run would do now.
type Rehearsal struct {
	Requests   int   // that would be sent
	Unrendered int64 // of which no request can be made
	Left       billing.Left
	Earlier    billing.Earlier
}

// Rehearse goes the way of a run from the scan over the second look to its requests,
// and shows each to see, in the order of the scan. It takes no lock, writes nothing
// and asks nobody; whose sender is gone is a matter of locks, so it can't tell.
func Rehearse(ctx context.Context, c Config, ports Ports, log zerolog.Logger, see func(billing.Invoice, billing.Request)) (Rehearsal, error) {
	c.Canary, c.Spread, ports.Values = 0, false, nil
	r := New(c, ports, &billing.Tally{}, log)
	p := &pass{scan: r.scan}
	var total Rehearsal
	for ctx.Err() == nil {
		candidates, err := p.next(ctx, c.ClaimSize)
		if err != nil {
			return total, err
		}
		if len(candidates) == 0 {
			total.Left, total.Earlier, total.Unrendered = p.left, p.earlier, r.tally.Unrendered.Load()
			return total, nil
		}
		sent, err := rehearse(ctx, r.producer.deliverer, p, candidates, see)
		if err != nil {
			return total, err
		}
		total.Requests += sent
		r.producer.budget.give(len(candidates) - sent)
	}
	return total, context.Cause(ctx)
}

// rehearse is a claim without locks.
func rehearse(ctx context.Context, d *deliverer, p *pass, candidates []billing.Candidate, see func(billing.Invoice, billing.Request)) (sent int, err error) {
	ids := make([]billing.InvoiceID, len(candidates))
	for i, c := range candidates {
		ids[i] = c.ID
	}
	for len(ids) > 0 {
		l, err := takeLook(ctx, d.ledger, ids)
		if err != nil {
			return sent, err
		}
		n := 0
		n, ids = rehearseLook(d, p, ids, l, see)
		sent += n
	}
	return sent, nil
}

// rehearseLook shows the requests of one look, and returns what it did not read.
func rehearseLook(d *deliverer, p *pass, ids []billing.InvoiceID, l look, see func(billing.Invoice, billing.Request)) (sent int, unread []billing.InvoiceID) {
	rows := make(map[billing.InvoiceID]billing.Invoice, len(l.invoices))
	requests := make(map[billing.InvoiceID]billing.Request, len(l.invoices))
	for _, inv := range l.invoices {
		if inv.Unread {
			unread = append(unread, inv.ID)
			continue
		}
		switch s := d.planner.plan(inv, view{at: l.at}); s.do {
		case toBegin, toRepeat:
			d.troubles.prepared(s.request)
			rows[inv.ID], requests[inv.ID] = inv, s.request
		case toLeave:
			d.leave(p, s)
		case toAsk, toSettle:
		}
	}
	for _, id := range ids {
		if request, ok := requests[id]; ok {
			see(rows[id], request)
		}
	}
	return len(requests), unread
}
