package pgdesk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// History reads one invoice's.
func (d *Desk) History(ctx context.Context, id billing.InvoiceID) (h desk.History, err error) {
	current, err := d.Deliveries(ctx, []billing.InvoiceID{id})
	if err != nil {
		return h, err
	}
	now := current[0]
	h.InvoiceID, h.State, h.ReplyID = now.InvoiceID, now.State, now.ReplyID
	h.Row = now.Row
	if now.State != "" {
		h.Key = &now.Key
	}
	query, err := d.query("history")
	if err != nil {
		return h, err
	}
	found, err := d.query("found")
	if err != nil {
		return h, err
	}
	var entries []entry
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if h.Invoice, err = d.readInvoice(ctx, conn, now.InvoiceID); err != nil {
			return err
		}
		rows, err := conn.Query(ctx, query, string(now.InvoiceID))
		if err != nil {
			return err
		}
		if entries, err = pgx.CollectRows(rows, scanEntry); err != nil {
			return err
		}
		if rows, err = conn.Query(ctx, found, string(now.InvoiceID)); err != nil {
			return err
		}
		if h.Found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[desk.Found]); err != nil {
			return err
		}
		h.Databases, err = readAccepted(ctx, conn, d.names)
		return err
	})
	if err != nil {
		return h, fmt.Errorf("read the history of invoice %s: %w", now.InvoiceID, err)
	}
	h.Attempts = assemble(entries)
	return h, nil
}

func (d *Desk) readInvoice(ctx context.Context, conn *pgx.Conn, id billing.InvoiceID) (string, error) {
	query, err := d.query("is_pending")
	if err != nil {
		return "", err
	}
	var pending bool
	err = within(ctx, conn, rowsTime, func() error { return conn.QueryRow(ctx, query, string(id)).Scan(&pending) })
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return desk.InvoiceMissing, nil
	case failsOnRow(err): // it counts as pending
		return desk.InvoicePending, nil
	case err != nil || pending:
		return desk.InvoicePending, err
	}
	return desk.InvoiceNotPending, nil
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
func assemble(entries []entry) []desk.Attempt {
	all := []desk.Attempt{}
	var began *time.Time // the next attempt: as the last one was superseded
	for _, e := range entries {
		if e.kind == "decision" && len(all) > 0 {
			a := &all[len(all)-1]
			a.Decisions = append(a.Decisions, desk.Decision{At: *e.recordedAt, From: e.state, To: e.decision, By: e.decidedBy, Reason: e.reason})
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
		all = append(all, desk.Attempt{
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
