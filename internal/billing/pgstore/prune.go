package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// prunePage is how many rows of the ledger one transaction of a prune looks at.
const prunePage = 1000

// Pruned is how far a prune has come.
type Pruned struct {
	Read, Removed int64
}

// Prune removes the deliveries, and their history, that were settled longer ago
// than age and whose invoices are not pending. It commits page by page, and calls
// progress after each; stopped by ctx, what it did stays done.
func (s *Store) Prune(ctx context.Context, age time.Duration, progress func(Pruned)) (Pruned, error) {
	var total Pruned
	var last *string
	for ctx.Err() == nil {
		var read, removed int64
		err := s.writer.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, s.sql.prune, last, prunePage, age.Seconds()).Scan(&last, &read, &removed)
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
