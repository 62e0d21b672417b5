package desk

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Kind is a kind of delivery that a person decides about.
type Kind struct {
	State   billing.State
	Word    string // in flags
	None    string // said where there are none
	text    string // in sentences
	choices string // how it can be resolved
}

// InDoubt is what may have been billed or not.
func InDoubt() Kind {
	return Kind{billing.InDoubt, "in-doubt", "No delivery is in doubt.", "in doubt", "--sent|--retry|--cancel"}
}

// Failed is what the API refused.
func Failed() Kind {
	return Kind{billing.Failed, "failed", "No delivery has failed.", "failed", "--retry|--sent|--cancel"}
}

// Print lists the evidence, the oldest first, and, if it is wanted, the command that
// resolves each.
func (k Kind) Print(out io.Writer, deliveries []Delivery, withCommand bool) error {
	var b strings.Builder
	for _, d := range deliveries {
		fmt.Fprintf(&b, "%s: %s for %s\n", d.InvoiceID, k.text, d.Age.Truncate(time.Second))
		d.Row.print(&b, "  ")
		fmt.Fprintf(&b, "  %s\n", d.Story())
		fmt.Fprintf(&b, "  attempt %d by %s, key %s, run %s\n", d.Attempt, orUnknown(d.Application), d.Key, d.RunID)
		fmt.Fprintf(&b, "  %s:\n", d.Decidable())
		if !withCommand {
			continue
		}
		fmt.Fprintf(&b, "  batch resolve --attempt %d %s --reason '…' -- %s\n", d.Attempt, k.choices, words.ShellWord(string(d.InvoiceID)))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// seenText is what was seen of an attempt.
func seenText(status int, text string) string {
	text = words.OneLine(text)
	switch {
	case status == 0 && text == "":
		return "no reply"
	case status == 0:
		return text
	case text == "":
		return fmt.Sprintf("HTTP %d", status)
	case strings.Contains(text, fmt.Sprintf("HTTP %d", status)):
		return text
	}
	return fmt.Sprintf("HTTP %d, %s", status, text)
}

// WriteDeliveriesCSV writes deliveries, with an empty column for decisions.
func WriteDeliveriesCSV(out io.Writer, deliveries []Delivery) error {
	rows := make([]Row, len(deliveries))
	for i := range deliveries {
		rows[i] = deliveries[i].Row
	}
	t, err := newRowTable(out, rows, "invoice_id", "state", "attempt", "reason", "http_status", "first_sent_at", "updated_at", "deadline_at",
		"reply_id", "run_id", "amount", "currency")
	if err != nil {
		return err
	}
	for _, d := range deliveries {
		err := t.row(d.Row, string(d.InvoiceID), string(d.State), strconv.Itoa(d.Attempt), d.Error, statusCell(d.HTTPStatus),
			words.Stamp(d.FirstSentAt), words.Stamp(d.UpdatedAt), words.Stamp(d.DeadlineAt), d.ReplyID, d.RunID.String(), text(d.Amount), text(d.Currency))
		if err != nil {
			return err
		}
	}
	return t.end()
}
