package pgdesk

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/pgerr"
)

// Deliveries reads those of the given invoices, in their order. One that was
// never tried has no state. Ids that can't be ids are [desk.ErrID].
func (d *Desk) Deliveries(ctx context.Context, ids []billing.InvoiceID) ([]desk.Delivery, error) {
	wanted, err := array(ids)
	if err != nil {
		return nil, err
	}
	query, err := d.query("delivery")
	if err != nil {
		return nil, err
	}
	all, err := d.readDeliveries(ctx, query, wanted)
	if pgerr.Is(err, pgerrcode.InvalidTextRepresentation, pgerrcode.NumericValueOutOfRange, pgerrcode.CharacterNotInRepertoire) {
		return nil, fmt.Errorf("%w: %s", desk.ErrID, pgerr.From(err).Message)
	}
	return all, err
}

// Open reads all deliveries that are InDoubt, or Failed, or to Retry, the oldest first.
func (d *Desk) Open(ctx context.Context, state billing.State) ([]desk.Delivery, error) {
	query, err := d.query("delivery", "open")
	if err != nil {
		return nil, err
	}
	return d.readDeliveries(ctx, query, string(state))
}

func (d *Desk) readDeliveries(ctx context.Context, query string, args ...any) ([]desk.Delivery, error) {
	var all []desk.Delivery
	err := d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scanDelivery)
		if err != nil {
			return err
		}
		found := make([]beside, len(all))
		for i := range all {
			all[i].DecideIn += d.after
			if all[i].State != "" {
				all[i].DecideAt = all[i].DeadlineAt.Add(d.after)
			}
			all[i].LooksUp = d.looksUp
			found[i] = beside{id: all[i].InvoiceID, replyID: all[i].ReplyID, key: keyText(all[i].Key), into: &all[i].Row}
		}
		return d.readRows(ctx, conn, found)
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return all, nil
}

// keyText is empty where there is no key.
func keyText(key uuid.UUID) string {
	if key == uuid.Nil {
		return ""
	}
	return key.String()
}

func scanDelivery(row pgx.CollectableRow) (desk.Delivery, error) {
	var d desk.Delivery
	var hash []byte
	var key, run uuid.NullUUID
	var first, updated, deadline *time.Time
	var deadlineIn, age float64
	err := row.Scan(&d.InvoiceID, &d.State, &d.Attempt, &key, &hash, &d.Doubtful, &first, &updated, &deadline,
		&deadlineIn, &age, &d.DueAt, &d.HTTPStatus, &d.Error, &run, &d.Application, &d.ReplyID, &d.Amount, &d.Currency,
		&d.BegunAt, &d.RunEndedAt, &d.RunGoneAt)
	if err != nil || d.State == "" {
		return d, err
	}
	d.Key, d.RunID, d.BodySHA256 = key.UUID, run.UUID, hex.EncodeToString(hash)
	d.FirstSentAt, d.UpdatedAt, d.DeadlineAt = *first, *updated, *deadline
	d.DecideIn, d.Age = seconds(deadlineIn), seconds(age)
	d.AgeSeconds = age
	return d, nil
}
