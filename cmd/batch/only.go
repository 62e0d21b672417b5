package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"billonce/internal/billing"
	"billonce/internal/billing/pgstore"
)

// runFlags are what a person may want of one run; a CronJob wants none of it.
type runFlags struct {
	dryRun bool
	only   []billing.InvoiceID // none: all that are pending
}

// parseOnly reads --only. What is left of an empty variable must not mean all.
func parseOnly(given bool, ids []string) ([]billing.InvoiceID, error) {
	if !given {
		return nil, nil
	}
	var only []billing.InvoiceID
	for _, id := range ids {
		if strings.TrimSpace(id) == "" {
			return nil, usage(errors.New("--only has an empty id; write for example --only 42,43"))
		}
		only = append(only, billing.InvoiceID(id))
	}
	if len(only) == 0 {
		return nil, usage(errors.New("--only names no invoice; write for example --only 42,43"))
	}
	return only, nil
}

// checkOnly refuses ids that are none: a slip of the pen must not pass for a run
// that had nothing to do.
func (e *execution) checkOnly(ctx context.Context) error {
	if len(e.flags.only) == 0 {
		return nil
	}
	named, err := e.store.Named(ctx, e.flags.only)
	switch {
	case errors.Is(err, pgstore.ErrID):
		return usage(fmt.Errorf("--only: what is given %w", err))
	case err != nil:
		return err
	}
	var missing []string
	for _, n := range named {
		switch n.Invoice {
		case pgstore.InvoiceMissing:
			missing = append(missing, string(n.InvoiceID))
		case pgstore.InvoiceNotPending:
			e.log.Warn().Str("invoice_id", string(n.InvoiceID)).Msg("this invoice is not pending: it is not sent")
		}
	}
	if len(missing) > 0 {
		return usage(fmt.Errorf("--only: INVOICES_TABLE has no invoice %s; nothing was sent", strings.Join(missing, ", ")))
	}
	return nil
}
