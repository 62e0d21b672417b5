package engine

import (
	"context"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// onePerPage is how many candidates are read at once.
	onePerPage = 200
	// onePerWaiting bounds the candidates that wait for their values.
	onePerWaiting = 20_000
)

// onePer keeps a run to one request in flight for each value of INVOICES_ONE_PER, by key
// within a value.
type onePer struct {
	values Values
	log    zerolog.Logger
	claims int // open at the same time
	most   int // invoices of each: all senders are busy

	mu    sync.Mutex
	aside []billing.InvoiceID // of which no request can be made: they hold nothing back
	told  map[billing.InvoiceID]struct{}
}

func newOnePer(v Values, t terms, log zerolog.Logger) *onePer {
	return &onePer{values: v, log: log, claims: t.claims, most: t.claimLeast, told: map[billing.InvoiceID]struct{}{}}
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
	freed   sync.Cond                      // a claim has ended; with the pass's mutex
	alone   []billing.Candidate            // of no value
	waiting map[string][]billing.Candidate // of each value, in their order
	ready   []string                       // values of which one waits and none is on its way
	busy    map[string]struct{}
	shut    map[string]billing.State // values that this pass can't go on with, and what shuts them
	waits   int                      // candidates, all together
}

func (q *queueing) begin(mu sync.Locker) {
	q.freed.L = mu
	q.waiting, q.busy, q.shut = map[string][]billing.Candidate{}, map[string]struct{}{}, map[string]billing.State{}
}

func (q *queueing) put(candidates []billing.Candidate) {
	q.waits += len(candidates)
	for _, c := range candidates {
		if c.Value == nil {
			q.alone = append(q.alone, c)
			continue
		}
		q.waiting[*c.Value] = append(q.waiting[*c.Value], c)
		q.offer(*c.Value, len(q.waiting[*c.Value]) == 1)
	}
}

// offer makes a value ready, if none of it is on its way.
func (q *queueing) offer(value string, waits bool) {
	if _, busy := q.busy[value]; waits && !busy {
		q.ready = append(q.ready, value)
	}
}

// nextOfValues is next for a run that keeps values apart: no two candidates that are on
// their way are of one value. A value is free again only as its claim ends: a claim takes
// an even share of all values, so that where they are few, one slow request keeps few
// others waiting. The caller holds mu.
func (p *pass) nextOfValues(ctx context.Context, size int) ([]billing.Candidate, error) {
	q, claims := &p.queueing, p.onePer.claims
	size = min(size, p.onePer.most)
	for read := false; !p.stop.stopped() && !p.interrupted(); {
		ready := len(q.alone) + len(q.ready)
		switch {
		case (ready == 0 || ready < size*claims && !read) && !p.done && q.waits < onePerWaiting:
			read = true
			page, err := p.scanner.Scan(ctx, p.last, nil, onePerPage)
			if err != nil {
				return nil, err
			}
			p.advance(page, onePerPage)
			q.put(p.sift(page))
		case ready > 0:
			n := p.budget.take(min(size, ready, (ready+len(q.busy)+claims-1)/claims))
			if n == 0 {
				return nil, nil
			}
			chosen := p.choose(n)
			p.budget.give(n - len(chosen))
			if len(chosen) > 0 {
				return chosen, nil
			}
		case len(q.busy) > 0 && q.waits > 0:
			q.freed.Wait()
		default:
			return nil, nil
		}
	}
	return nil, nil
}

// choose takes up to n candidates whose values are ready, the first of each.
func (p *pass) choose(n int) []billing.Candidate {
	q := &p.queueing
	taken := min(n, len(q.alone))
	chosen := slices.Clone(q.alone[:taken])
	q.alone = q.alone[taken:]
	for len(chosen) < n && len(q.ready) > 0 {
		value := q.ready[0]
		q.ready = q.ready[1:]
		if by, shut := q.shut[value]; shut {
			for range q.waiting[value] {
				p.countHeldBack(by)
			}
			q.waits -= len(q.waiting[value])
			delete(q.waiting, value)
			continue
		}
		chosen = append(chosen, q.waiting[value][0])
		q.busy[value] = struct{}{}
		if q.waiting[value] = q.waiting[value][1:]; len(q.waiting[value]) == 0 {
			delete(q.waiting, value)
		}
	}
	q.waits -= len(chosen)
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
	q := &p.queueing
	for _, c := range candidates {
		if c.Value == nil {
			continue
		}
		if _, ok := locked[c.ID]; !ok {
			q.shut[*c.Value] = billing.Sending
		}
		delete(q.busy, *c.Value)
		q.offer(*c.Value, len(q.waiting[*c.Value]) > 0)
	}
	q.freed.Broadcast()
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
