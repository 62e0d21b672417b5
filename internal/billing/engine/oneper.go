package engine

import (
	"context"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// onePerSize is a claim's most where values are kept apart: a value is free again only
	// as its claim ends, so that one slow request keeps few others waiting.
	onePerSize = 8
	// onePerPage is how many candidates are read at once.
	onePerPage = 200
	// putOffMost bounds the candidates that wait for their values.
	putOffMost = 20_000
)

// onePer keeps a run to one request in flight for each value of INVOICES_ONE_PER, by key
// within a value.
type onePer struct {
	values Values
	log    zerolog.Logger

	mu    sync.Mutex
	aside []billing.InvoiceID // of which no request can be made: they hold nothing back
	told  map[billing.InvoiceID]struct{}
}

func newOnePer(v Values, log zerolog.Logger) *onePer {
	return &onePer{values: v, log: log, told: map[billing.InvoiceID]struct{}{}}
}

// setAside lets the others of an invoice's value go before it.
func (o *onePer) setAside(id billing.InvoiceID) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(o.aside, id) {
		o.aside = append(o.aside, id)
	}
}

// first keeps the steps whose invoices are the first of their values that are not done
// with; the others are counted as held back. A step is dropped, too, whose value is not
// the one that its claim has locked.
func (o *onePer) first(ctx context.Context, p *pass, c *claim, steps []step) ([]step, error) {
	if o == nil || len(steps) == 0 {
		return steps, nil
	}
	ids := make([]billing.InvoiceID, len(steps))
	for i := range steps {
		ids[i] = steps[i].intent.InvoiceID
	}
	o.mu.Lock()
	aside := o.aside[:len(o.aside):len(o.aside)]
	o.mu.Unlock()
	lower, err := o.values.Lower(ctx, ids, aside)
	if err != nil {
		return nil, err
	}
	kept := steps[:0]
	for _, s := range steps {
		id := s.intent.InvoiceID
		now, seen := lower[id]
		switch {
		case !seen || !sameValue(now.Value, c.values[id]):
			p.addHeld(1) // it is another value's now: a later pass looks
		case now.ID != "":
			o.tell(id, now)
			p.addHeldBack(now.State)
		default:
			kept = append(kept, s)
		}
	}
	return kept, nil
}

// tell names what holds a value back, once for each that does.
func (o *onePer) tell(id billing.InvoiceID, by billing.Lower) {
	if by.State == billing.Retry || by.State == billing.Sending {
		return // that goes on by itself
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, told := o.told[by.ID]; told || len(o.told) >= namedAtMost {
		return
	}
	o.told[by.ID] = struct{}{}
	state := string(by.State)
	if state == "" {
		state = "untried"
	}
	o.log.Warn().Str("invoice_id", string(id)).Str("held_back_by", string(by.ID)).Str("state", state).
		Msg("held back: a lower invoice of its INVOICES_ONE_PER value comes first")
}

func sameValue(a, b *string) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// queueing is a pass's candidates that wait for their values.
type queueing struct {
	freed  sync.Cond // a claim has ended; with the pass's mutex
	busy   map[string]struct{}
	putOff []billing.Candidate
	shut   map[string]billing.State // values that this pass can't go on with, and what shuts them
}

// nextOfValues is next for a run that keeps values apart: no two candidates that are on
// their way are of one value. The caller holds mu.
func (p *pass) nextOfValues(ctx context.Context, size int) ([]billing.Candidate, error) {
	size = min(size, onePerSize)
	for !p.stop.stopped() && !p.interrupted() {
		n := p.budget.take(size)
		if n == 0 {
			return nil, nil
		}
		chosen := p.choose(n)
		p.budget.give(n - len(chosen))
		switch {
		case len(chosen) > 0:
			return chosen, nil
		case !p.done && len(p.queueing.putOff) < putOffMost:
			page, err := p.scanner.Scan(ctx, p.last, nil, onePerPage)
			if err != nil {
				return nil, err
			}
			p.advance(page, onePerPage)
			p.queueing.putOff = append(p.queueing.putOff, p.sift(page)...)
		case len(p.queueing.putOff) == 0:
			return nil, nil
		case len(p.queueing.busy) > 0:
			p.queueing.freed.Wait()
		default:
			return nil, nil
		}
	}
	return nil, nil
}

// choose takes up to n candidates whose values are free, in their order.
func (p *pass) choose(n int) (chosen []billing.Candidate) {
	q := &p.queueing
	met := map[string]struct{}{} // a value's candidates keep their order
	rest := q.putOff[:0]
	for _, c := range q.putOff {
		if c.Value == nil && len(chosen) < n {
			chosen = append(chosen, c)
			continue
		}
		if c.Value != nil {
			if by, shut := q.shut[*c.Value]; shut {
				p.countHeldBack(by)
				continue
			}
			_, busy := q.busy[*c.Value]
			_, later := met[*c.Value]
			if !busy && !later && len(chosen) < n {
				q.busy[*c.Value] = struct{}{}
				chosen = append(chosen, c)
				continue
			}
			met[*c.Value] = struct{}{}
		}
		rest = append(rest, c)
	}
	q.putOff = rest
	return chosen
}

// free is called as a claim has ended: its values are free again. Those of which it could
// not get everything are shut for this pass.
func (p *pass) free(candidates []billing.Candidate, got []billing.InvoiceID) {
	if p.onePer == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	locked := make(map[billing.InvoiceID]struct{}, len(got))
	for _, id := range got {
		locked[id] = struct{}{}
	}
	for _, c := range candidates {
		if c.Value == nil {
			continue
		}
		delete(p.queueing.busy, *c.Value)
		if _, ok := locked[c.ID]; !ok {
			p.queueing.shut[*c.Value] = billing.Sending
		}
	}
	p.queueing.freed.Broadcast()
}

// addHeldBack counts an invoice that one of its value holds back.
func (p *pass) addHeldBack(by billing.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.countHeldBack(by)
}

// countHeldBack is addHeldBack for who holds mu.
func (p *pass) countHeldBack(by billing.State) {
	switch by {
	case billing.InDoubt:
		p.left.HeldByDoubt++
	case billing.Retry:
		p.left.HeldByRetry++ // which is waited for by itself, where it is
	default:
		p.waits(0)
	}
}

// shutBy shuts a value for this pass: a lower one of it waits. The caller holds mu.
func (p *pass) shutBy(c billing.Candidate) {
	if p.onePer != nil && c.Value != nil {
		p.queueing.shut[*c.Value] = c.State
	}
}
