package pgstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"billonce/internal/billing"
	"billonce/internal/pgerr"
)

// Delivery is a delivery as people see it: the evidence for their decisions.
type Delivery struct {
	InvoiceID   billing.InvoiceID `json:"invoice_id"`
	State       billing.State     `json:"state,omitempty"` // empty: never tried
	Attempt     int               `json:"attempt"`
	Key         uuid.UUID         `json:"idempotency_key"`
	BodySHA256  string            `json:"body_sha256"`
	Doubtful    bool              `json:"doubtful"`
	FirstSentAt time.Time         `json:"first_sent_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	DeadlineAt  time.Time         `json:"deadline_at"` // after this, none of its requests can be on its way
	DueAt       *time.Time        `json:"due_at,omitempty"`
	HTTPStatus  int               `json:"http_status,omitempty"`
	Error       string            `json:"error,omitempty"`
	RunID       uuid.UUID         `json:"run_id"`
	Application string            `json:"application,omitempty"` // the run's: billonce/pod/process
	ReplyID     string            `json:"reply_id,omitempty"`    // what the API calls the invoice

	// By the database's clock, as of the reading.
	DeadlineIn time.Duration `json:"-"`
	Age        time.Duration `json:"-"` // in its state
	AgeSeconds float64       `json:"age_seconds"`
}

// Resolvable is what a person's decision about the delivery depends on.
func (d Delivery) Resolvable() billing.Resolvable {
	return billing.Resolvable{State: d.State, Attempt: d.Attempt, DeadlineIn: d.DeadlineIn}
}

// ErrID says that what was given is no id of an invoice.
var ErrID = errors.New("is not an id of this book's invoices")

// Deliveries reads those of the given invoices, in their order. One that was
// never tried has no state. Ids that can't be ids are ErrID.
func (s *Store) Deliveries(ctx context.Context, ids []billing.InvoiceID) ([]Delivery, error) {
	all, err := s.readDeliveries(ctx, s.sql.delivery, keys(ids))
	if pgerr.Is(err, pgerrcode.InvalidTextRepresentation, pgerrcode.NumericValueOutOfRange) {
		return nil, fmt.Errorf("%w: %s", ErrID, pgerr.From(err).Message)
	}
	return all, err
}

// Open reads all deliveries that are InDoubt, or Failed, or to Retry, the oldest first.
func (s *Store) Open(ctx context.Context, state billing.State) ([]Delivery, error) {
	return s.readDeliveries(ctx, s.sql.open, string(state))
}

func (s *Store) readDeliveries(ctx context.Context, query string, args ...any) ([]Delivery, error) {
	var all []Delivery
	err := s.writer.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scanDelivery)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return all, nil
}

func scanDelivery(row pgx.CollectableRow) (Delivery, error) {
	var d Delivery
	var hash []byte
	var key, run uuid.NullUUID
	var first, updated, deadline *time.Time
	var deadlineIn, age float64
	err := row.Scan(&d.InvoiceID, &d.State, &d.Attempt, &key, &hash, &d.Doubtful, &first, &updated, &deadline,
		&deadlineIn, &age, &d.DueAt, &d.HTTPStatus, &d.Error, &run, &d.Application, &d.ReplyID)
	if err != nil || d.State == "" {
		return d, err
	}
	d.Key, d.RunID, d.BodySHA256 = key.UUID, run.UUID, hex.EncodeToString(hash)
	d.FirstSentAt, d.UpdatedAt, d.DeadlineAt = *first, *updated, *deadline
	d.DeadlineIn, d.Age = seconds(deadlineIn), seconds(age)
	d.AgeSeconds = age
	return d, nil
}
