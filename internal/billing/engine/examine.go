package engine

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// LookUpProof is what a run would know of its look-up now.
type LookUpProof struct {
	Request billing.Request // whose look-up can be shown; without an id: of none
	Seen    []string        // what was asked, and what it said
	Why     string          // it is not believed; empty: it is
}

// ProveLookUp tests the look-up as a run does before its first request, and asks about a
// control. Nothing is recorded.
func ProveLookUp(ctx context.Context, c Config, ports Ports) (proven LookUpProof, err error) {
	ports.Tests = unrecorded{ports.Tests}
	c.HasLookup = true
	p := New(c, ports, &billing.Tally{}, zerolog.Nop()).proof
	if proven.Request, err = p.sample(ctx); err != nil {
		return proven, err
	}
	if err := p.begin(ctx); err != nil {
		return proven, err
	}
	control := p.believes(ctx, time.Time{})
	proven.Seen, proven.Why = append(p.test.Asked, control.seen...), control.why
	return proven, nil
}

// sample is the request of an untried invoice.
func (p *proof) sample(ctx context.Context) (billing.Request, error) {
	ids, err := p.untried(ctx, 1, map[billing.InvoiceID]bool{})
	if err != nil || len(ids) == 0 {
		return billing.Request{}, err
	}
	invoices, err := p.ledger.Look(ctx, ids)
	if err != nil || len(invoices) == 0 {
		return billing.Request{}, err
	}
	request, err := p.render(invoices[0], "")
	if err != nil {
		return billing.Request{}, nil // the run names it
	}
	return request, nil
}

// unrecorded leaves the ledger as it is.
type unrecorded struct{ Tests }

func (unrecorded) KeepTest(context.Context, billing.LookUpTest) error { return nil }

func (unrecorded) KeepControls(context.Context, []billing.Control) error { return nil }
