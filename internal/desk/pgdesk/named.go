package pgdesk

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// Named says of each invoice what it is, in their order. Ids that can't be ids are [desk.ErrID].
func (d *Desk) Named(ctx context.Context, ids []billing.InvoiceID) ([]desk.Named, error) {
	deliveries, err := d.Deliveries(ctx, ids)
	if err != nil {
		return nil, err
	}
	all := make([]desk.Named, len(deliveries))
	for i, one := range deliveries {
		all[i].InvoiceID = one.InvoiceID
		err := d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			var err error
			all[i].Invoice, err = d.readInvoice(ctx, conn, one.InvoiceID)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for invoice %s: %w", one.InvoiceID, err)
		}
	}
	return all, nil
}
