package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
)

// NextSubmitted reads the up to limit submitted deliveries that are due soonest to be
// looked up, in that order.
func (s *Store) NextSubmitted(ctx context.Context, limit int) (next []billing.NextSubmitted, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.submittedNext, limit)
		if err != nil {
			return err
		}
		next, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n billing.NextSubmitted, err error) {
			var due float64
			err = row.Scan(&n.ID, &due)
			n.DueIn = seconds(due)
			return n, err
		})
		return err
	})
	return next, err
}

// LookSubmitted reads invoices, pending or not, and their deliveries; fewer where rows are
// wide. Of one that is gone, that shares its id, or on which the user's SQL fails, only
// the id is known.
func (s *Store) LookSubmitted(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error) {
	seen, err := s.lookAnyAround(ctx, ids)
	if err != nil {
		return nil, err
	}
	times := make(map[billing.InvoiceID]int, len(ids))
	for _, inv := range seen {
		times[inv.ID]++
	}
	var alone []billing.InvoiceID
	for _, id := range ids {
		if times[id] != 1 {
			alone = append(alone, id)
		}
	}
	whole := seen[:0]
	for _, inv := range seen {
		if times[inv.ID] == 1 && !inv.Unread {
			whole = append(whole, inv)
		}
	}
	if len(alone) == 0 {
		return whole, nil
	}
	byID, err := s.lookUpAlone(ctx, alone)
	return append(whole, byID...), err
}

// lookAnyAround leaves out the rows on which the user's SQL fails.
func (s *Store) lookAnyAround(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error) {
	seen, err := s.lookAny(ctx, ids)
	switch {
	case !failsOnRow(err):
		return seen, err
	case len(ids) == 1:
		return nil, nil
	}
	seen = nil
	return seen, inParts(err, ids, func(part []billing.InvoiceID) error {
		of, err := s.lookAnyAround(ctx, part)
		seen = append(seen, of...)
		return err
	})
}

// lookUpAlone reads deliveries alone: their invoices have no column but the id.
func (s *Store) lookUpAlone(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error) {
	var tried map[billing.InvoiceID]*billing.Delivery
	err := s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.lookLedger, keys(ids))
		if err != nil {
			return err
		}
		tried, err = scanDeliveries(rows)
		return err
	})
	alone := make([]billing.Invoice, 0, len(tried))
	for id, d := range tried {
		inv := billing.Invoice{ID: id, Columns: make([]*string, len(s.cfg.Columns)), Delivery: d}
		for i, column := range s.cfg.Columns {
			if column == s.cfg.Book.ID[0] {
				text := string(id)
				inv.Columns[i] = &text
			}
		}
		alone = append(alone, inv)
	}
	return alone, err
}

// CountSubmitted says of how many deliveries the API has still to say what became of them.
func (s *Store) CountSubmitted(ctx context.Context) (n int64, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.submittedCount).Scan(&n)
	})
	return n, err
}
