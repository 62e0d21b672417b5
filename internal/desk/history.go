package desk

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// History is all that is known about one invoice.
type History struct {
	InvoiceID billing.InvoiceID `json:"invoice_id"`
	Invoice   string            `json:"invoice"`         // pending, not pending or missing
	State     billing.State     `json:"state,omitempty"` // of the delivery; empty: never tried
	Key       *uuid.UUID        `json:"idempotency_key,omitempty"`
	ReplyID   string            `json:"reply_id,omitempty"` // what the API calls the invoice
	Row
	Found     []Found   `json:"found,omitempty"`
	Attempts  []Attempt `json:"attempts"`
	Databases []Trust   `json:"databases,omitempty"` // that the ledger was made to trust: they may have forgotten an attempt
}

// Found is why an invoice is open though its delivery does not say so.
type Found struct {
	Kind   billing.OpenKind `json:"kind"` // pending_again or set_aside
	Reason string           `json:"reason"`
	Since  time.Time        `json:"since"`
}

// Known says whether there is such an invoice, or was.
func (h History) Known() bool { return h.State != "" || h.Invoice != InvoiceMissing }

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

// Print writes the history for people, an attempt or a decision a line.
func (h History) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if h.State == "" {
		fmt.Fprintf(w, "Invoice %s (%s): never tried\n", h.InvoiceID, h.Invoice)
		h.printWhatItIs(w)
		h.printDatabases(w)
		return w.Flush()
	}
	fmt.Fprintf(w, "Invoice %s (%s): %s, key %s", h.InvoiceID, h.Invoice, h.State, h.Key)
	if h.ReplyID != "" {
		fmt.Fprintf(w, ", at the API %s", words.OneLine(h.ReplyID))
	}
	fmt.Fprintln(w)
	h.printWhatItIs(w)
	for _, a := range h.Attempts {
		fmt.Fprintf(w, "%s\tattempt %d\t%s\n", begunText(a.BegunAt), a.Attempt, attemptText(a))
		fmt.Fprintf(w, "\t\tby %s, run %s\n", orUnknown(a.Application), a.RunID)
		for _, d := range a.Decisions {
			fmt.Fprintf(w, "%s\tdecision\t%s, was %s: by %s: %s\n", words.Stamp(d.At), d.To, d.From, words.OneLine(d.By), words.OneLine(d.Reason))
		}
	}
	h.printDatabases(w)
	return w.Flush()
}

func (h History) printWhatItIs(out io.Writer) {
	h.Row.print(out, "  ")
	for _, f := range h.Found {
		fmt.Fprintf(out, "  %s since %s: %s; %s\n", openWords(f.Kind), words.Stamp(f.Since), words.OneLine(f.Reason), whatToDo(f.Kind))
	}
}

func (h History) printDatabases(out io.Writer) {
	for _, t := range h.Databases {
		fmt.Fprintf(out, "%s\tdatabase\ttrusted by %s: %s; %s\n", words.Stamp(t.At), words.OneLine(t.By), words.OneLine(t.Reason), t.Identity)
	}
}

func attemptText(a Attempt) string {
	switch {
	case a.Outcome == "":
		return "sending: in progress, or its runner died"
	case a.SettledAt == nil:
		return "unknown: its runner died, and another run took over"
	}
	text := fmt.Sprintf("%s: %s", a.Outcome, seenText(a.HTTPStatus, a.Error))
	if a.Outcome == billing.NotSent.String() && a.HTTPStatus == 0 && a.Error == "" {
		text = a.Outcome + ": no request was started"
	}
	if a.BegunAt != nil {
		text += fmt.Sprintf(" (after %s)", a.SettledAt.Sub(*a.BegunAt).Round(time.Millisecond))
	}
	return fmt.Sprintf("%s; %s", text, a.State)
}

func begunText(t *time.Time) string {
	if t == nil {
		return "before the history"
	}
	return words.Stamp(*t)
}

func orUnknown(runner string) string {
	if runner == "" {
		return "an unknown runner"
	}
	return runner
}
