package desk

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Wanted is what a person wants to come of a delivery that they were shown: a form
// carries it, so that what has changed since is left as it is.
type Wanted struct {
	InvoiceID billing.InvoiceID `json:"id"`
	State     billing.State     `json:"state"`
	Attempt   int               `json:"attempt"`
	UpdatedAt time.Time         `json:"at"`
	Decision  string            `json:"decision,omitempty"` // sent, retry, cancel, again or reopen
	Reason    string            `json:"reason,omitempty"`
}

// Show is a delivery as it is shown to who may decide about it.
func (d Delivery) Show() Wanted {
	return Wanted{InvoiceID: d.InvoiceID, State: d.State, Attempt: d.Attempt, UpdatedAt: d.UpdatedAt}
}

// LongestReason is how many characters a reason may have that came in a form.
const LongestReason = 1000

// Resolution is what is wanted, in the name of who wants it.
func (w Wanted) Resolution(by string) (billing.Resolution, error) {
	r, err := ParseDecision(w.Decision)
	if err != nil {
		return r, err
	}
	switch n := len([]rune(w.Reason)); {
	case strings.TrimSpace(w.Reason) == "":
		return r, fmt.Errorf("invoice %s: say why: the reason is kept with the decision", words.OneLine(string(w.InvoiceID)))
	case n > LongestReason:
		return r, fmt.Errorf("invoice %s: the reason has %s characters; at most %s are kept", words.OneLine(string(w.InvoiceID)), words.Count(n), words.Count(LongestReason))
	}
	r.Attempt, r.By, r.Reason = w.Attempt, by, w.Reason
	return r, nil
}

// Decider is where decisions about many deliveries are made.
type Decider interface {
	Resolver
	Deliveries(ctx context.Context, ids []billing.InvoiceID) ([]Delivery, error)
	// SameMarking is [ErrMarking] where the user's SQL is not what the last run had.
	SameMarking(ctx context.Context) error
}

// Decided is what was wanted, and what came of it, or would.
type Decided struct {
	Wanted  Wanted
	Now     Delivery // as it was read before it was decided
	Change  Change
	Changed bool // since it was shown: nothing was, or would be, written
}

// Preview says what these decisions would do. Nothing is written.
func Preview(ctx context.Context, ledger Decider, wanted []Wanted, by string) ([]Decided, error) {
	return eachWanted(ctx, ledger, wanted, by, Foresee)
}

// Carry makes these decisions, one after the other. After an error, those that are
// returned are made.
func Carry(ctx context.Context, ledger Decider, wanted []Wanted, by string) ([]Decided, error) {
	return eachWanted(ctx, ledger, wanted, by, Decide)
}

func eachWanted(
	ctx context.Context, ledger Decider, wanted []Wanted, by string,
	do func(context.Context, Resolver, Delivery, billing.Resolution) (Change, error),
) ([]Decided, error) {
	ids := make([]billing.InvoiceID, len(wanted))
	resolutions := make([]billing.Resolution, len(wanted))
	for i, w := range wanted {
		var err error
		if resolutions[i], err = w.Resolution(by); err != nil {
			return nil, err
		}
		ids[i] = w.InvoiceID
	}
	if err := ledger.SameMarking(ctx); err != nil {
		return nil, err
	}
	now, err := ledger.Deliveries(ctx, ids)
	if err != nil {
		return nil, err
	}
	var all []Decided
	for i, w := range wanted {
		if ctx.Err() != nil {
			return all, context.Cause(ctx)
		}
		d := Decided{Wanted: w, Now: now[i]}
		d.Change = Change{InvoiceID: w.InvoiceID, Attempt: now[i].Attempt, From: now[i].State}
		if d.Changed = !w.UpdatedAt.IsZero() && now[i].differs(w); !d.Changed {
			if d.Change, err = do(ctx, ledger, now[i], resolutions[i]); err != nil {
				return all, err
			}
			d.Changed = d.Change.ByAnother
		}
		if d.Changed {
			d.Change.Refusal = "somebody has decided about it, or a run has gone on with it, since you looked"
		}
		all = append(all, d)
	}
	return all, nil
}

// differs says whether a delivery is not any more what was shown.
func (d Delivery) differs(w Wanted) bool {
	return d.State != w.State || d.Attempt != w.Attempt || !d.UpdatedAt.Equal(w.UpdatedAt)
}

// Choices are the decisions that there are about what is open for a kind of reason.
func Choices(kind billing.OpenKind) []string {
	switch kind {
	case billing.OpenInDoubt:
		return []string{"sent", "retry", "cancel"}
	case billing.OpenFailed:
		return []string{"retry", "sent", "cancel"}
	case billing.OpenRetry:
		return []string{"sent", "cancel"}
	case billing.OpenPendingAgain:
		return []string{"again", "sent"}
	case billing.OpenUnmarked, billing.OpenSetAside:
	}
	return nil // the row is to be mended
}

// ChoicesOf are the decisions that there may be about a delivery.
func ChoicesOf(state billing.State, invoice string) []string {
	switch {
	case state == billing.Cancelled:
		return []string{"reopen"}
	case state == billing.Sent && invoice == InvoicePending:
		return Choices(billing.OpenPendingAgain)
	case state == billing.Sent:
		return nil
	}
	return Choices(billing.OpenKind(state))
}
