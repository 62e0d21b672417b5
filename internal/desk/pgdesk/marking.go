package pgdesk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/desk"
)

// sameMarking holds the user's SQL against what the last run that settled a delivery
// had: else invoices would be marked in another way, or others taken for pending.
// Otherwise it is [desk.ErrMarking].
func (d *Desk) sameMarking(ctx context.Context, conn *pgx.Conn) error {
	query, err := d.query("reconcile_marking")
	if err != nil {
		return err
	}
	var lastMark, lastPending []byte
	err = conn.QueryRow(ctx, query).Scan(&lastMark, &lastPending)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read which SQL the last run had: %w", err)
	}
	for _, sql := range []struct {
		variable, now string
		last          []byte
	}{{"INVOICES_MARK_SENT", d.markSent, lastMark}, {"INVOICES_PENDING", d.pending, lastPending}} {
		if now := sha256.Sum256([]byte(sql.now)); sql.last != nil && !bytes.Equal(sql.last, now[:]) {
			return fmt.Errorf("%s %w", sql.variable, desk.ErrMarking)
		}
	}
	return nil
}
