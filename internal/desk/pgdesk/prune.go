package pgdesk

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"billonce/internal/desk"
)

// prunePage is how many rows of the ledger one transaction of a prune looks at.
const prunePage = 1000

// Prune removes the deliveries, and their history, that were settled longer ago
// than age and whose invoices are not pending. It commits page by page, and calls
// progress after each; stopped by ctx, what it did stays done.
func (d *Desk) Prune(ctx context.Context, age time.Duration, progress func(desk.Pruned)) (desk.Pruned, error) {
	query, err := d.query("prune")
	if err != nil {
		return desk.Pruned{}, err
	}
	if err := d.use(ctx, d.sameMarking); err != nil {
		return desk.Pruned{}, fmt.Errorf("prune the ledger: %w", err)
	}
	var total desk.Pruned
	var last *string
	for ctx.Err() == nil {
		var read, removed int64
		err := d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, query, last, prunePage, age.Seconds()).Scan(&last, &read, &removed)
		})
		if err != nil {
			return total, fmt.Errorf("prune the ledger: %w", err)
		}
		total.Read, total.Removed = total.Read+read, total.Removed+removed
		progress(total)
		if read < prunePage {
			return total, nil
		}
	}
	return total, fmt.Errorf("prune the ledger: %w", context.Cause(ctx))
}
