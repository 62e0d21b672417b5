package pgdesk

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// Resolvable reads what a person's decision about a delivery depends on.
func (d *Desk) Resolvable(ctx context.Context, seen desk.Delivery) (billing.Resolvable, error) {
	now := seen.Resolvable()
	query, err := d.query("resolvable")
	if err != nil || seen.State == "" {
		return now, err
	}
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		invoice, err := d.readInvoice(ctx, conn, seen.InvoiceID)
		if err != nil {
			return err
		}
		now.Pending = invoice == desk.InvoicePending
		var retryFor, submittedFor float64
		err = conn.QueryRow(ctx, query, string(seen.InvoiceID)).Scan(&now.KeyVersion, &retryFor, &now.Was, &now.KeyReplaced, &now.OlderProgram, &submittedFor)
		now.RetryFor, now.SubmittedIn = seconds(retryFor), d.overdue-seconds(submittedFor)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // it was pruned since: the decision finds nothing
		}
		return err
	})
	if err != nil {
		return now, fmt.Errorf("read what the decision about invoice %s depends on: %w", seen.InvoiceID, err)
	}
	return now, nil
}

// raise makes version n of an invoice's key, and keeps runs of older programs from
// beginning. Nothing is returned where n is 0, or where such a run is unfinished.
func (d *Desk) raise(ctx context.Context, tx pgx.Tx, id billing.InvoiceID, n int) (key *string, version *int, err error) {
	if n == 0 {
		return nil, nil, nil
	}
	read, rerr := d.query("raise_key", "read")
	lock, lerr := d.query("raise_key", "lock")
	write, werr := d.query("raise_key")
	if err := errors.Join(rerr, lerr, werr); err != nil {
		return nil, nil, err
	}
	var ledger uuid.UUID
	var raised bool
	if err := tx.QueryRow(ctx, read).Scan(&ledger, &raised); err != nil {
		return nil, nil, fmt.Errorf("read the ledger's id: %w", err)
	}
	if !raised {
		if _, err := tx.Exec(ctx, lock); err != nil {
			return nil, nil, fmt.Errorf("keep runs from beginning: %w", err)
		}
		written, err := tx.Exec(ctx, write)
		if err != nil || written.RowsAffected() == 0 {
			return nil, nil, err
		}
	}
	text := billing.KeyVersion(ledger, id, n).Text
	return &text, &n, nil
}
