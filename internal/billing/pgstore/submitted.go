package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"billonce/internal/billing"
)

// SubmittedDue reads up to limit deliveries that are due to be looked up, and their
// invoices, pending or not. Of one that is gone only the id is known.
func (s *Store) SubmittedDue(ctx context.Context, limit int) ([]billing.Invoice, error) {
	var ids []billing.InvoiceID
	err := s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.submittedDue, limit)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[billing.InvoiceID])
		return err
	})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	seen, err := s.LookAny(ctx, ids)
	if err != nil {
		return nil, err
	}
	gone := make(map[billing.InvoiceID]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	for _, inv := range seen {
		delete(gone, inv.ID)
	}
	if len(gone) == 0 {
		return seen, nil
	}
	ids = ids[:0]
	for id := range gone {
		ids = append(ids, id)
	}
	var tried map[billing.InvoiceID]*billing.Delivery
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.lookLedger, keys(ids))
		if err != nil {
			return err
		}
		tried, err = scanDeliveries(rows)
		return err
	})
	for id, d := range tried {
		inv := billing.Invoice{ID: id, Columns: make([]*string, len(s.cfg.Columns)), Delivery: d}
		for i, column := range s.cfg.Columns {
			if column == s.cfg.Book.ID[0] {
				text := string(id)
				inv.Columns[i] = &text
			}
		}
		seen = append(seen, inv)
	}
	return seen, err
}

// SubmittedStanding says how much the API has taken and not yet decided.
func (s *Store) SubmittedStanding(ctx context.Context) (st billing.SubmittedStanding, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		var next zeronull.Float8
		err := conn.QueryRow(ctx, s.sql.submittedStanding).Scan(&st.Count, &st.Since, &next)
		st.NextIn = seconds(next)
		return err
	})
	return st, err
}
