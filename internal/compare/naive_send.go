package compare

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
)

// sendUnlocked bills twice as soon as two servers run it.
func (o orders) sendUnlocked(ctx context.Context, conn *pgx.Conn, client *http.Client, id int64) (bool, error) {
	if err := o.bill(ctx, client, id); err != nil {
		return false, fmt.Errorf("bill invoice %d: %w", id, err)
	}
	// The clock, and not now(), which is the transaction's start.
	if _, err := conn.Exec(ctx, "update "+o.Invoices+" set pending = false, sent_at = clock_timestamp() where id = $1", id); err != nil {
		return false, fmt.Errorf("mark invoice %d as sent: %w", id, err)
	}
	return true, nil
}

// sendLocked keeps two servers apart, until one dies between the call and the
// commit.
func (o orders) sendLocked(ctx context.Context, conn *pgx.Conn, client *http.Client, id int64) (sent bool, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var pending bool
		err := tx.QueryRow(ctx, "select pending from "+o.Invoices+" where id = $1 for update nowait", id).Scan(&pending)
		if err != nil {
			return fmt.Errorf("lock invoice %d: %w", id, err)
		}
		if !pending {
			return nil
		}
		sent, err = o.sendUnlocked(ctx, tx.Conn(), client, id)
		return err
	})
	return sent, err
}
