package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
)

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
func checkOnly(ctx context.Context, log zerolog.Logger, c settings, db *database, only []billing.InvoiceID) error {
	if len(only) == 0 {
		return nil
	}
	d, err := pgdesk.Open(ctx, pgstore.Unprepared(db.main), c.deskBook())
	if err != nil {
		return err
	}
	named, err := d.Named(ctx, only)
	err = errors.Join(err, d.Close(ctx))
	switch {
	case errors.Is(err, desk.ErrID):
		return usage(fmt.Errorf("--only: what is given %w", err))
	case err != nil:
		return err
	}
	var missing []string
	for _, n := range named {
		switch n.Invoice {
		case desk.InvoiceMissing:
			missing = append(missing, string(n.InvoiceID))
		case desk.InvoiceNotPending:
			log.Warn().Str("invoice_id", string(n.InvoiceID)).Msg("skipped an invoice that is not pending")
		}
	}
	if len(missing) > 0 {
		return usage(fmt.Errorf("--only: INVOICES_TABLE has no invoice %s; nothing was sent", strings.Join(missing, ", ")))
	}
	return nil
}
