package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing"
)

// producer claims what a pass finds, and has it delivered.
type producer struct {
	newClaimer func() Claimer
	scan       *scan
	deliverer  *deliverer
	budget     *budget
	tally      *billing.Tally
	stop       *stopper
	log        zerolog.Logger
	pace       *pace
	terms      terms
	shared     bool       // with other runners
	senders    int        // all of them
	busy       func() int // senders, or slots
}

// producing is all claims of one pass. A claim lasts as long as its slowest request:
// where a few requests hang, other claims stand in for theirs until they come back.
type producing struct {
	*producer
	pass  *pass
	first bool // pass of its run
	group errgroup.Group

	mu   sync.Mutex
	open int  // one that found nothing more stays counted: so will every other
	full bool // there is no room for one more
}

// work works through one pass, and returns when everything that was claimed is settled
// and released.
func (p *producer) work(ctx context.Context, pass *pass, first bool) error {
	began := time.Now()
	all := &producing{producer: p, pass: pass, first: first}
	for n := range p.terms.claims {
		all.start(ctx, n, false)
	}
	err := all.group.Wait()
	pass.elapsed = time.Since(began)
	return err
}

func (p *producing) start(ctx context.Context, n int, standsIn bool) {
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	p.group.Go(func() error {
		err := p.loop(ctx, newSizer(p.terms, n, p.shared, p.first), standsIn)
		p.stop.because(err) // at once: the others would go on to the end of the pass
		return err
	})
}

// standIn starts one more, if a quarter of the senders is idle and there may be one more.
func (p *producing) standIn(ctx context.Context) {
	p.mu.Lock()
	enough := p.full || p.open >= p.terms.mostClaims || 4*p.busy() > 3*p.senders
	p.mu.Unlock()
	if !enough && !p.pass.over() {
		p.start(ctx, 0, true)
	}
}

// surplus says that one is to end, since others stood in for it.
func (p *producing) surplus() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open <= p.terms.claims {
		return false
	}
	p.open--
	return true
}

// noRoom gives up standing in: the run goes on without.
func (p *producing) noRoom(candidates int, err error) {
	p.log.Debug().Err(err).Msg("no claim stands in for those that slow requests keep open")
	p.pass.addHeld(candidates) // a later pass looks
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	p.full = true
}

// lookAnew is how long a run that rests, since the API has it wait, holds on to what it has
// found, where others may send that meanwhile. Who takes long to find something holds on for
// longer.
const lookAnew = time.Second

// enter waits until what was found, in so long a time, may be claimed.
func (p *producing) enter(ctx context.Context, found time.Duration) (leave func(), may bool) {
	if !p.shared || p.pass.turn == doubtsToo { // a doubt is asked about once
		return p.pace.enter(ctx, forever)
	}
	return p.pace.enter(ctx, max(lookAnew, 10*found))
}

// loop makes one claim after the other until the pass is over.
func (p *producing) loop(ctx context.Context, size *sizer, standsIn bool) error {
	claimer := p.newClaimer()
	defer func() {
		if err := claimer.Close(context.WithoutCancel(ctx)); err != nil {
			p.log.Debug().Err(err).Msg("closing a claim's connection")
		}
	}()
	for {
		began := time.Now()
		paced := p.pace.limited()
		candidates, err := p.pass.next(ctx, p.pace.size(size.next))
		if err != nil {
			return p.stop.unlessStopped(ctx, err)
		}
		if len(candidates) == 0 {
			return nil
		}
		leave, may := p.enter(ctx, time.Since(began))
		if !may {
			leave()
			p.pass.free(candidates, nil)
			p.budget.give(len(candidates))
			p.pass.endEarly()
			return nil
		}
		claimed, err := claimer.Claim(ctx, candidates)
		if err != nil {
			leave()
			p.pass.free(candidates, nil)
			p.budget.give(len(candidates))
			if standsIn {
				p.noRoom(len(candidates), err)
				return nil
			}
			return p.stop.unlessStopped(ctx, fmt.Errorf("claim invoices: %w", err))
		}
		p.noteHeld(len(candidates), len(candidates)-len(claimed.IDs))

		c := &claim{Claimed: claimed, paced: paced, leave: leave, values: valuesOf(candidates)}
		err = p.deliverer.deliver(ctx, p.pass, c, func() { p.standIn(ctx) })
		p.pass.free(candidates, claimed.IDs)
		p.budget.give(len(candidates) - c.begun + int(c.unasked.Load())) // what was never asked counts for nothing
		if err != nil {
			return p.stop.unlessStopped(ctx, err)
		}
		if p.surplus() {
			return nil
		}
		size.note(c.begun, time.Since(began))
	}
}

// sendThese claims candidates that were chosen one by one, has them delivered, and
// returns how many were begun once all of those are settled.
func (p *producer) sendThese(ctx context.Context, candidates []billing.Candidate) (begun int, err error) {
	leave, may := p.pace.enter(ctx, forever)
	defer leave()
	if !may {
		return 0, nil
	}
	claimer := p.newClaimer()
	defer func() {
		if err := claimer.Close(context.WithoutCancel(ctx)); err != nil {
			p.log.Debug().Err(err).Msg("closing a claim's connection")
		}
	}()
	claimed, err := claimer.Claim(ctx, candidates)
	if err != nil {
		return 0, fmt.Errorf("claim invoices: %w", err)
	}
	c := &claim{Claimed: claimed, paced: true, alone: true, leave: leave, values: valuesOf(candidates)}
	err = p.deliverer.deliver(ctx, &pass{scan: p.scan}, c, func() {})
	return c.begun - int(c.unasked.Load()), err
}

// valuesOf is of which value each candidate was, as it was locked.
func valuesOf(candidates []billing.Candidate) map[billing.InvoiceID]*string {
	all := make(map[billing.InvoiceID]*string)
	for _, c := range candidates {
		if c.Value != nil {
			all[c.ID] = c.Value
		}
	}
	return all
}

// noteHeld takes in how many of a claim's candidates others hold.
func (p *producing) noteHeld(candidates, held int) {
	p.pass.addHeld(held)
	if 2*held > candidates {
		p.pass.cut()
	}
	p.tally.Candidates.Add(int64(candidates))
	p.tally.HeldByThem.Add(int64(held))
}
