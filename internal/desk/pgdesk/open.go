package pgdesk

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// OpenItems lists all that waits for a person.
func (d *Desk) OpenItems(ctx context.Context) ([]desk.OpenItem, error) {
	items, err := d.openItems(ctx)
	if failsOnRow(err) {
		// INVOICES_PENDING fails or hangs on a row: what failed is listed, pending or not.
		items, err = d.openItems(ctx, "failing")
	}
	if err != nil {
		return nil, fmt.Errorf("list what is open: %w", err)
	}
	return items, d.addDeliveries(ctx, items)
}

// addDeliveries gives each item its delivery.
func (d *Desk) addDeliveries(ctx context.Context, items []desk.OpenItem) error {
	var ids []billing.InvoiceID
	var at []int
	for n, i := range items {
		if i.State != nil {
			ids, at = append(ids, i.InvoiceID), append(at, n)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	deliveries, err := d.Deliveries(ctx, ids)
	for n := range deliveries {
		items[at[n]].Delivery = &deliveries[n]
	}
	return err
}

func (d *Desk) openItems(ctx context.Context, flags ...string) ([]desk.OpenItem, error) {
	query, err := d.query("open", flags...)
	if err != nil {
		return nil, err
	}
	items := []desk.OpenItem{}
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		err := within(ctx, conn, countTime, func() error {
			rows, err := conn.Query(ctx, query)
			if err != nil {
				return err
			}
			items, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (i desk.OpenItem, err error) {
				err = row.Scan(&i.InvoiceID, &i.Kind, &i.State, &i.Attempt, &i.Reason, &i.Since, &i.Amount, &i.Currency, &i.Key, &i.ReplyID)
				return i, err
			})
			return err
		})
		if err != nil {
			return err
		}
		found := make([]beside, len(items))
		for n, i := range items {
			found[n] = beside{id: i.InvoiceID, replyID: i.ReplyID, key: i.Key, into: &items[n].Row}
		}
		return d.readRows(ctx, conn, found)
	})
	return items, err
}

// Sent shows what a run has sent, or, with an empty run, what was sent since a time. It
// reads the whole ledger, and shows as it reads.
func (d *Desk) Sent(ctx context.Context, run string, since time.Time, show func(desk.SentItem) error) error {
	arg, flags := any(since), []string(nil)
	if run != "" {
		arg, flags = run, []string{"run"}
	}
	query, err := d.query("sent", flags...)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	rows, err := d.conn.Query(ctx, query, arg) // the reader may leave
	if err == nil {
		var s desk.SentItem
		_, err = pgx.ForEachRow(rows, []any{&s.InvoiceID, &s.Attempt, &s.SentAt, &s.HTTPStatus, &s.ReplyID, &s.Amount, &s.Currency}, func() error {
			return show(s)
		})
	}
	if err != nil {
		return fmt.Errorf("list what was sent: %w", err)
	}
	return nil
}

// readOpenCount reads what the last run has counted, and what was decided since.
func (r *statusReader) readOpenCount(ctx context.Context) error {
	var o desk.OpenCount
	var count int64
	return r.each(ctx, "open_before", []any{&o.RunID, &o.At, &count, &o.Groups, &o.Decided}, func() error {
		o.Count = desk.NewOpenCount(count, o.Decided, r.st.Deliveries[billing.InDoubt]+r.st.Deliveries["unmarked"])
		r.st.Open = &o
		return nil
	})
}
