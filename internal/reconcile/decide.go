package reconcile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/words"
)

// page is how many deliveries are decided before others are read.
const page = 500

// Desk is how deliveries are read and decided: as `batch resolve` does it.
type Desk interface {
	Deliveries(ctx context.Context, ids []billing.InvoiceID) ([]desk.Delivery, error)
	desk.Resolver
}

// RefusedError says why a list may decide nothing here.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return e.Why + "; nothing was changed" }

// Trust says whether the list may decide: whether it looks like this book's, and this
// program marks invoices as the last run did. What it refuses is a [RefusedError], and
// [desk.ErrMarking] where the user's SQL is another.
func (r *Reconciliation) Trust(ctx context.Context, rep Report) error {
	alike, unlike := rep.Count(Agreed, Decides), rep.Count(AmountsDiffer, IDsDiffer)
	switch {
	case unlike > alike:
		return &RefusedError{fmt.Sprintf("of %s on both sides %s differ: is the list this book's, and are its columns named rightly?",
			words.Plural(alike+unlike, "invoice"), words.Count(unlike))}
	case rep.Count(Agreed) == 0 && rep.Count(OursOnly) > 0:
		return &RefusedError{fmt.Sprintf("the list has none of the %s that were sent%s: is it this book's? If it covers another time, name it with --since and --until",
			words.Plural(rep.Count(OursOnly), "invoice"), rep.span())}
	}
	return r.sameMarking(ctx)
}

// sameMarking holds the user's SQL against what the last run that settled a delivery
// had: else invoices would be marked in another way, or others taken for pending.
func (r *Reconciliation) sameMarking(ctx context.Context) error {
	var mark, pending []byte
	err := r.each(ctx, "reconcile_marking", func(row pgx.CollectableRow) error { return row.Scan(&mark, &pending) })
	if err != nil {
		return err
	}
	for variable, texts := range map[string]struct {
		last []byte
		now  string
	}{"INVOICES_MARK_SENT": {mark, r.MarkSent}, "INVOICES_PENDING": {pending, r.Pending}} {
		if now := sha256.Sum256([]byte(texts.now)); texts.last != nil && !bytes.Equal(texts.last, now[:]) {
			return fmt.Errorf("%s %w", variable, desk.ErrMarking)
		}
	}
	return nil
}

// Resolve makes sent what the list decides, by the statement of `batch resolve`, and
// tells of each change. Stopped by ctx, what it did stays done.
func (r *Reconciliation) Resolve(ctx context.Context, d Desk, rep Report, told func(desk.Change) error) (Tally, error) {
	var tally Tally
	var found []Found
	decide := func() error {
		ids := make([]billing.InvoiceID, len(found))
		for i, f := range found {
			ids[i] = billing.InvoiceID(f.InvoiceID)
		}
		deliveries, err := d.Deliveries(context.WithoutCancel(ctx), ids)
		if err != nil {
			return err
		}
		for i, delivery := range deliveries {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			change, err := r.resolveOne(ctx, d, delivery, found[i], rep)
			if err != nil {
				return err
			}
			tally.add(change.Refusal == "")
			if err := told(change); err != nil {
				return err
			}
		}
		found = found[:0]
		return nil
	}
	whole := context.WithoutCancel(ctx) // a cancelled query would close the connection, and the record with it
	err := r.Each(whole, Decides, 0, func(f Found) error {
		if found = append(found, f); len(found) < page {
			return nil
		}
		return decide()
	})
	if err == nil {
		err = decide()
	}
	rep.Decided = &tally
	return tally, errors.Join(err, r.keep(whole, rep, "resolve"))
}

// resolveOne decides about the attempt that was compared, and no later one.
func (r *Reconciliation) resolveOne(ctx context.Context, d Desk, now desk.Delivery, f Found, rep Report) (desk.Change, error) {
	if string(now.State) != f.State {
		return desk.Change{InvoiceID: now.InvoiceID, Attempt: now.Attempt, From: now.State, Refusal: "it has changed since it was compared: run it again"}, nil
	}
	return desk.Decide(ctx, d, now, billing.Resolution{
		To: billing.Sent, Attempt: f.Attempt, By: r.By, Reason: rep.reason(fmt.Sprintf("line %d", f.Line)),
	})
}

func (t *Tally) add(done bool) {
	if done {
		t.Done++
		return
	}
	t.Left++
}
