package pgdesk

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/desk"
)

// Nights reads what the runs of the last thirty days came to, the oldest day first.
// Days without a run are left out.
func (d *Desk) Nights(ctx context.Context) (nights []desk.Night, err error) {
	query, err := d.query("nights")
	if err != nil {
		return nil, err
	}
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query)
		if err != nil {
			return err
		}
		nights, err = pgx.CollectRows(rows, pgx.RowToStructByPos[desk.Night])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the last nights: %w", err)
	}
	return nights, nil
}

// Lost says that the connection has ended: the desk must be opened anew.
func (d *Desk) Lost() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn.IsClosed()
}
