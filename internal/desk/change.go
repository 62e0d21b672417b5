package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Resolver writes a decision about a delivery, if it is still as it was read.
type Resolver interface {
	// Resolvable is what the decision depends on.
	Resolvable(ctx context.Context, seen Delivery) (billing.Resolvable, error)
	Resolve(ctx context.Context, seen Delivery, r billing.Resolution, ruling billing.Ruling) (billing.Resolved, error)
}

// Change is what a person's decision did to one delivery.
type Change struct {
	InvoiceID billing.InvoiceID `json:"invoice_id"`
	Attempt   int               `json:"attempt,omitempty"`
	From      billing.State     `json:"from,omitempty"`
	To        billing.State     `json:"to,omitempty"` // empty: left as it was
	Note      string            `json:"note,omitempty"`
	Refusal   string            `json:"refusal,omitempty"`
	ByAnother bool              `json:"-"` // it has changed since it was read: that is the refusal
}

// Foresee says what [Decide] would do, and writes nothing.
func Foresee(ctx context.Context, ledger Resolver, d Delivery, r billing.Resolution) (Change, error) {
	change, _, err := rule(ctx, ledger, d, r)
	return change, err
}

func rule(ctx context.Context, ledger Resolver, d Delivery, r billing.Resolution) (Change, billing.Ruling, error) {
	change := Change{InvoiceID: d.InvoiceID, Attempt: d.Attempt, From: d.State}
	now, err := ledger.Resolvable(ctx, d)
	if err != nil {
		return change, billing.Ruling{}, err
	}
	ruling := billing.Resolve(now, r)
	change.To, change.Note, change.Refusal = ruling.To, ruling.Note, ruling.Refusal
	return change, ruling, nil
}

// Decide makes of a delivery what a person wants, where the rules allow it.
func Decide(ctx context.Context, ledger Resolver, d Delivery, r billing.Resolution) (Change, error) {
	change, ruling, err := rule(ctx, ledger, d, r)
	if err != nil || change.Refusal != "" {
		return change, err
	}
	change.To, change.Note = "", ""
	came, err := ledger.Resolve(ctx, d, r, ruling)
	if errors.Is(err, ErrMarking) {
		return change, err
	}
	if err != nil {
		return change, fmt.Errorf("%w; run `batch history %s` to see whether it was written", err, words.ShellWord(string(d.InvoiceID)))
	}
	change.To, change.Note = ruling.To, ruling.Note
	switch came {
	case billing.ResolvedFully:
	case billing.ResolvedInvoiceGone:
		change.Note = "the invoice was deleted or is not pending any more: only the ledger was changed"
	case billing.ResolvedByAnother:
		change.ByAnother, change.To, change.Note, change.Refusal = true, "", "", "it has changed since it was read: look at it again with `batch history "+words.ShellWord(string(d.InvoiceID))+"`"
	case billing.NotResolved:
		change.To, change.Note, change.Refusal = "", "", "another session holds the invoice's row: try again"
	}
	return change, nil
}

// Changes counts alike changes, for people: of thousands nobody reads a line each.
type Changes struct {
	alike map[string]int
	shown int
	kinds []string // the kinds, in the order in which they were met
}

// shownAlone is how many changes that were refused are named.
const shownAlone = 20

// Add counts a change, and prints one that was refused, of the first ones.
func (cs *Changes) Add(out io.Writer, c Change) error {
	if c.Refusal != "" {
		if cs.shown++; cs.shown <= shownAlone {
			return c.Print(out, false)
		}
	}
	kind := fmt.Sprintf("%s, were %s", c.To, c.From)
	if c.Refusal != "" {
		kind = "more left as they were"
	}
	if c.Note != "" {
		kind += "; " + c.Note
	}
	if cs.alike == nil {
		cs.alike = make(map[string]int)
	}
	if cs.alike[kind] == 0 {
		cs.kinds = append(cs.kinds, kind)
	}
	cs.alike[kind]++
	return nil
}

// Print writes a line for each kind of change.
func (cs *Changes) Print(out io.Writer) error {
	for _, kind := range cs.kinds {
		if _, err := fmt.Fprintf(out, "%s: %s\n", words.Count(cs.alike[kind]), kind); err != nil {
			return err
		}
	}
	return nil
}

// Print writes the change on one line.
func (c Change) Print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(c)
	}
	text := fmt.Sprintf("%s: %s, was %s", c.InvoiceID, c.To, c.From)
	if c.Refusal != "" {
		text = fmt.Sprintf("%s: left as it was: %s", c.InvoiceID, c.Refusal)
	}
	if c.Note != "" {
		text += "; " + c.Note
	}
	_, err := fmt.Fprintln(out, text)
	return err
}
