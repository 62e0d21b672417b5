package pgdesk

import (
	"context"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/internal/words"
	"github.com/billonce/billonce/sql"
)

// Resolve writes a person's decision about a delivery, as it was read, that
// [billing.Resolve] has let pass. The statement holds the rules once more: what
// has changed since, by a late reply or another person, is left as it is.
//
// It takes no invoice's lock. A runner takes over `sending` and `retry`
// deliveries only, and this touches neither: a claim that found one of them
// before it came into doubt looks again under its lock, and its intent compares
// and swaps on what it saw. So the delivery's own row decides who is first, and
// the lock would only make a person wait for a request that has nothing to do
// with their decision. docs/model searches every order of these steps.
// Where the invoice is marked, that takes its row's lock, as any settling does.
func (d *Desk) Resolve(ctx context.Context, seen desk.Delivery, r billing.Resolution, ruling billing.Ruling) (came billing.Resolved, err error) {
	came = billing.NotResolved
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
		if ruling.To == billing.Sent {
			if err := d.sameMarking(ctx, conn); err != nil {
				return err
			}
		}
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
		if err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		defer tx.Rollback(ctx)
		if _, err := tx.Exec(ctx, sql.WriterSettings); err != nil {
			return fmt.Errorf("prepare a transaction: %w", err)
		}
		if came, err = d.decide(ctx, tx, seen, r, ruling); err != nil {
			return err
		}
		return tx.Commit(ctx)
	})
	switch {
	case err == nil:
		return came, nil
	case pgerr.Is(err, pgerrcode.LockNotAvailable, pgerrcode.DeadlockDetected):
		return billing.NotResolved, nil
	}
	return billing.NotResolved, fmt.Errorf("resolve invoice %s: %w", seen.InvoiceID, err)
}

// decide writes the decision, and marks the invoice if it is that it was sent.
func (d *Desk) decide(ctx context.Context, tx pgx.Tx, seen desk.Delivery, r billing.Resolution, ruling billing.Ruling) (billing.Resolved, error) {
	query, err := d.query("resolve")
	if err != nil {
		return billing.NotResolved, err
	}
	key, version, err := d.raise(ctx, tx, seen.InvoiceID, ruling.KeyVersion)
	if err != nil || version == nil && ruling.KeyVersion > 0 {
		return billing.ResolvedByAnother, err
	}
	written, err := tx.Exec(ctx, query, string(seen.InvoiceID), string(seen.State), seen.Attempt, seen.UpdatedAt,
		string(ruling.To), ruling.ClearsDoubt, words.Storable(r.By), words.Storable(r.Reason), d.after.Seconds(), key, version)
	switch {
	case err != nil:
		return billing.NotResolved, err
	case written.RowsAffected() == 0:
		return billing.ResolvedByAnother, nil
	case ruling.To != billing.Sent:
		return billing.ResolvedFully, nil
	}
	if query, err = d.query("mark"); err != nil {
		return billing.NotResolved, err
	}
	id, err := array([]billing.InvoiceID{seen.InvoiceID})
	if err != nil {
		return billing.NotResolved, err
	}
	args := []any{id}
	for range d.replies {
		args = append(args, "{}") // a person has no reply to write down
	}
	marked, err := tx.Exec(ctx, query, args...)
	switch {
	case err != nil:
		return billing.NotResolved, err
	case marked.RowsAffected() == 0:
		return billing.ResolvedInvoiceGone, d.noteGone(ctx, tx, id)
	}
	return billing.ResolvedFully, nil
}

// noteGone keeps in mind that an invoice was not marked: prune then keeps its delivery.
func (d *Desk) noteGone(ctx context.Context, tx pgx.Tx, id string) error {
	query, err := d.query("gone")
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, query, id)
	return err
}
