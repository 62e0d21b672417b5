package billing

import (
	"context"
	"fmt"
	"time"
)

// lane claims and delivers until the pass is over.
func (r *Runner) lane(l *lanes, size *sizer) (err error) {
	p := l.pass
	claimer := r.NewClaimer()
	defer func() {
		if cerr := claimer.Close(context.WithoutCancel(r.claimCtx)); cerr != nil {
			r.Log.Debug().Err(cerr).Msg("closing a claim's connection")
		}
	}()
	for {
		began := time.Now()
		candidates, err := p.next(r.claimCtx, size.next)
		if err != nil {
			return r.unlessStopped(err)
		}
		if len(candidates) == 0 {
			return nil
		}
		claim, err := claimer.Claim(r.claimCtx, candidates)
		if err != nil {
			r.budget.give(len(candidates))
			return r.unlessStopped(fmt.Errorf("claim invoices: %w", err))
		}
		held := len(candidates) - len(claim.IDs)
		p.addHeld(held)
		if 2*held > len(candidates) {
			p.cut()
		}
		r.Tally.Candidates.Add(int64(len(candidates)))
		r.Tally.HeldByThem.Add(int64(held))

		d := &delivering{runner: r, lanes: l, pass: p, claim: claim}
		err = d.deliver(r.claimCtx)
		r.budget.give(len(candidates) - d.begun)
		if err != nil {
			return r.unlessStopped(err)
		}
		if l.surplus() {
			return nil
		}
		size.note(d.begun, time.Since(began))
	}
}

// unlessStopped drops an error that is only the echo of the run being stopped.
func (r *Runner) unlessStopped(err error) error {
	if r.stop.stopped() && r.claimCtx.Err() != nil {
		r.Log.Debug().Err(err).Msg("claiming ended by the stop")
		return nil
	}
	return err
}
