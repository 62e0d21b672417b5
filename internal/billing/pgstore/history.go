package pgstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"billonce/internal/billing"
)

// History is all that is known about one invoice.
type History struct {
	InvoiceID billing.InvoiceID `json:"invoice_id"`
	Invoice   string            `json:"invoice"`         // pending, not pending or missing
	State     billing.State     `json:"state,omitempty"` // of the delivery; empty: never tried
	Key       *uuid.UUID        `json:"idempotency_key,omitempty"`
	ReplyID   string            `json:"reply_id,omitempty"` // what the API calls the invoice
	Attempts  []Attempt         `json:"attempts"`
}

// Known says whether there is such an invoice, or was.
func (h History) Known() bool { return h.State != "" || h.Invoice != InvoiceMissing }

// What History.Invoice can be.
const (
	InvoicePending    = "pending"
	InvoiceNotPending = "not pending"
	InvoiceMissing    = "missing"
)

// Attempt is one attempt of a delivery, and what people decided about it.
type Attempt struct {
	Attempt     int           `json:"attempt"`
	BegunAt     *time.Time    `json:"begun_at,omitempty"` // nil: before the history was kept
	State       billing.State `json:"state"`              // what it came to, before anybody decided
	Outcome     string        `json:"outcome,omitempty"`  // empty: under way, or its runner died
	SettledAt   *time.Time    `json:"settled_at,omitempty"`
	HTTPStatus  int           `json:"http_status,omitempty"`
	Error       string        `json:"error,omitempty"`
	BodySHA256  string        `json:"body_sha256"`
	RunID       uuid.UUID     `json:"run_id"`
	Application string        `json:"application,omitempty"`
	Decisions   []Decision    `json:"decisions,omitempty"`
}

// Decision is what a person decided.
type Decision struct {
	At     time.Time     `json:"at"`
	From   billing.State `json:"from"`
	To     billing.State `json:"to"`
	By     string        `json:"by"`
	Reason string        `json:"reason"`
}

// History reads one invoice's.
func (s *Store) History(ctx context.Context, id billing.InvoiceID) (h History, err error) {
	current, err := s.Deliveries(ctx, []billing.InvoiceID{id})
	if err != nil {
		return h, err
	}
	d := current[0]
	h.InvoiceID, h.State, h.ReplyID = d.InvoiceID, d.State, d.ReplyID
	if d.State != "" {
		h.Key = &d.Key
	}
	var entries []entry
	err = s.writer.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if h.Invoice, err = s.readInvoice(ctx, conn, d.InvoiceID); err != nil {
			return err
		}
		rows, err := conn.Query(ctx, s.sql.history, string(d.InvoiceID))
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, scanEntry)
		return err
	})
	if err != nil {
		return h, fmt.Errorf("read the history of invoice %s: %w", d.InvoiceID, err)
	}
	h.Attempts = assemble(entries)
	return h, nil
}

func (s *Store) readInvoice(ctx context.Context, conn *pgx.Conn, id billing.InvoiceID) (string, error) {
	var pending bool
	err := conn.QueryRow(ctx, s.sql.isPending, string(id)).Scan(&pending)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return InvoiceMissing, nil
	case err != nil || pending:
		return InvoicePending, err
	}
	return InvoiceNotPending, nil
}

// entry is a row of history.sql.
type entry struct {
	kind              string
	attempt           int
	recordedAt        *time.Time // attempt: when the next one began
	state             billing.State
	settledAt         time.Time
	firstSentAt       *time.Time
	body              []byte
	doubtful          bool
	run               uuid.NullUUID
	application       string
	status            int
	text              string
	decision          billing.State
	decidedBy, reason string
}

func scanEntry(row pgx.CollectableRow) (e entry, err error) {
	err = row.Scan(&e.kind, &e.attempt, &e.recordedAt, &e.state, &e.settledAt, &e.firstSentAt, &e.body,
		&e.doubtful, &e.run, &e.application, &e.status, &e.text, &e.decision, &e.decidedBy, &e.reason)
	return e, err
}

// assemble puts decisions to their attempts.
func assemble(entries []entry) []Attempt {
	all := []Attempt{}
	var began *time.Time // the next attempt: as the last one was superseded
	for _, e := range entries {
		if e.kind == "decision" && len(all) > 0 {
			a := &all[len(all)-1]
			a.Decisions = append(a.Decisions, Decision{At: *e.recordedAt, From: e.state, To: e.decision, By: e.decidedBy, Reason: e.reason})
			if a.State == e.decision {
				// The row says what the person made of it; before that, it was this.
				a.State, a.SettledAt = e.state, &e.settledAt
				a.Outcome = outcomeOf(e.state, a.HTTPStatus, a.Error, true)
			}
			continue
		}
		if e.attempt == 1 {
			began = e.firstSentAt
		}
		outcome := outcomeOf(e.state, e.status, e.text, e.doubtful)
		if outcome == "" && e.recordedAt != nil {
			outcome = billing.Unknown.String() // superseded while it was under way: its runner was gone
		}
		all = append(all, Attempt{
			Attempt: e.attempt, BegunAt: began, State: e.state, SettledAt: settledAt(e),
			Outcome: outcome, HTTPStatus: e.status, Error: e.text,
			BodySHA256: hex.EncodeToString(e.body), RunID: e.run.UUID, Application: e.application,
		})
		began = e.recordedAt
	}
	return all
}

// settledAt: an attempt in `sending` has come to nothing yet, or never did.
func settledAt(e entry) *time.Time {
	if e.state == billing.Sending {
		return nil
	}
	return &e.settledAt
}

// outcomeOf tells an attempt's outcome from what it left in the ledger; empty
// while it may be under way. A text beside `sent` is a look-up's finding: what
// the attempt itself came to was unknown.
func outcomeOf(state billing.State, status int, text string, doubtful bool) string {
	outcome := billing.Unknown
	switch state {
	case billing.Sending:
		return ""
	case billing.Sent:
		if text == "" {
			outcome = billing.Accepted
		}
	case billing.Failed:
		outcome = billing.Refused
	case billing.Retry:
		if !doubtful || status == 429 {
			outcome = billing.NotSent
		}
	case billing.InDoubt, billing.Cancelled:
	}
	return outcome.String()
}
