package billing

import (
	"context"
	"fmt"
)

// Rehearsal is what a run would do now.
type Rehearsal struct {
	Requests   int   // that would be sent
	Unrendered int64 // of which no request can be made
	Left       Left  // under way or left by a runner that is gone; due later
	Earlier    Earlier
}

// Rehearse goes the way of a run from the scan over the second look to its requests,
// and shows each to see, in the order of the scan. It takes no lock, writes nothing
// and asks nobody; whose sender is gone is a matter of locks, so it can't tell.
func (r *Runner) Rehearse(ctx context.Context, see func(Invoice, Message)) (Rehearsal, error) {
	r.stop, r.budget = newStopper(), newBudget(r.Limit, 0)
	p := &pass{runner: r, first: true}
	var total Rehearsal
	for ctx.Err() == nil {
		candidates, err := p.next(ctx, r.ClaimSize)
		if err != nil {
			return total, err
		}
		if len(candidates) == 0 {
			total.Left, total.Earlier, total.Unrendered = p.left, p.earlier, r.Tally.Unrendered.Load()
			return total, nil
		}
		sent, err := r.rehearse(ctx, p, candidates, see)
		if err != nil {
			return total, err
		}
		total.Requests += sent
		r.budget.give(len(candidates) - sent)
	}
	return total, context.Cause(ctx)
}

// rehearse is a claim without locks.
func (r *Runner) rehearse(ctx context.Context, p *pass, candidates []Candidate, see func(Invoice, Message)) (sent int, err error) {
	claim := &Claim{}
	for _, c := range candidates {
		claim.IDs = append(claim.IDs, c.ID)
	}
	invoices, err := r.Looker.Look(ctx, claim.IDs)
	if err != nil {
		return 0, fmt.Errorf("look at invoices: %w", err)
	}
	rows := make(map[InvoiceID]Invoice, len(invoices))
	for _, inv := range invoices {
		rows[inv.ID] = inv
	}
	messages := make(map[InvoiceID]Message, len(invoices))
	d := &delivering{runner: r, pass: p, claim: claim}
	for _, a := range d.plan(invoices).attempts {
		messages[a.intent.InvoiceID] = a.message
	}
	for _, id := range claim.IDs {
		if m, ok := messages[id]; ok {
			see(rows[id], m)
		}
	}
	return len(messages), nil
}
