package engine

import (
	"context"
	"fmt"

	"github.com/billonce/billonce/internal/billing"
)

// recallAtOnce bounds what is read of kept values at the same time: each is a large row,
// perhaps.
const recallAtOnce = 16

// recaller plans anew, from what was kept, for invoices of which the row makes another
// request now than the one that may have had its effect.
type recaller struct {
	keeper   Keeper // nil: nothing is kept
	kept     Kept
	planner  planner
	troubles *troubles
}

// recall replaces the plans that can be made from what was kept.
func (r recaller) recall(ctx context.Context, invoices []billing.Invoice, plans []step, v view) error {
	if r.keeper == nil {
		return nil
	}
	var changed []int
	for i := range plans {
		if plans[i].changed {
			changed = append(changed, i)
		}
	}
	for len(changed) > 0 {
		group := changed[:min(len(changed), recallAtOnce)]
		changed = changed[len(group):]
		ids := make([]billing.InvoiceID, len(group))
		for n, i := range group {
			ids[n] = invoices[i].ID
		}
		kept, err := r.kept.Kept(ctx, ids)
		if err != nil {
			return fmt.Errorf("read what was kept for repeats: %w", err)
		}
		for n, i := range group {
			if kept[ids[n]] == nil {
				continue
			}
			then := r.planner.plan(r.keeper.Recall(invoices[i], kept[ids[n]]), v)
			if then.changed && (then.do != toAsk || plans[i].do == toAsk) {
				continue // a setting has changed, too, or a credential
			}
			plans[i] = then
			r.troubles.recalled(ids[n])
		}
	}
	return nil
}
