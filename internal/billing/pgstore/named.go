package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"billonce/internal/billing"
)

// Named is an invoice that a person named.
type Named struct {
	InvoiceID billing.InvoiceID
	Invoice   string // InvoicePending, InvoiceNotPending or InvoiceMissing
}

// Named says of each invoice what it is, in their order. Ids that can't be ids are ErrID.
func (s *Store) Named(ctx context.Context, ids []billing.InvoiceID) ([]Named, error) {
	deliveries, err := s.Deliveries(ctx, ids)
	if err != nil {
		return nil, err
	}
	all := make([]Named, len(deliveries))
	for i, d := range deliveries {
		all[i].InvoiceID = d.InvoiceID
		err := s.writer.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			var err error
			all[i].Invoice, err = s.readInvoice(ctx, conn, d.InvoiceID)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for invoice %s: %w", d.InvoiceID, err)
		}
	}
	return all, nil
}
