package pgdesk

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/words"
)

// hitsAtMost is how many invoices one search finds.
const hitsAtMost = 100

// Search finds invoices by what the ledger keeps of their requests, and shows each as it
// is found. It may read the whole ledger; once ctx ends, it stops, and the desk's
// connection with it. An idempotency key that is none is [desk.ErrID].
func (d *Desk) Search(ctx context.Context, by desk.SearchFor, text string, show func(desk.Hit) error) error {
	var flags []string
	if by == desk.SearchKey {
		key, err := uuid.Parse(text)
		if err != nil {
			return fmt.Errorf("an idempotency key is a UUID: %w", desk.ErrID)
		}
		text, flags = key.String(), []string{"key"}
	}
	query, err := d.query("search", flags...)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	rows, err := d.conn.Query(ctx, query, words.Storable(text), hitsAtMost)
	if err == nil {
		var h desk.Hit
		_, err = pgx.ForEachRow(rows, []any{&h.InvoiceID, &h.State, &h.Attempt, &h.Earlier}, func() error { return show(h) })
	}
	if err != nil {
		return fmt.Errorf("search the ledger: %w", err)
	}
	return nil
}
