package desk

import (
	"fmt"
	"io"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Trust says who has the ledger trust its database.
type Trust struct {
	At       time.Time        `json:"at"`
	By       string           `json:"by"`
	Reason   string           `json:"reason"`
	Identity billing.Identity `json:"identity,omitzero"` // of a database that was trusted, in a history
}

func (t Trust) text() string {
	return fmt.Sprintf("since %s by %s: %s", words.Stamp(t.At), words.OneLine(t.By), words.OneLine(t.Reason))
}

// Sendable is what a run could send.
type Sendable struct {
	Invoices int64
	Unknown  bool // INVOICES_PENDING fails on a row: they can't be counted
	sums     sums // by currency, where the columns are known
}

// Add takes some of one currency.
func (s *Sendable) Add(invoices int64, billed billing.Amount) {
	s.Invoices += invoices
	if s.sums == nil {
		s.sums = sums{}
	}
	s.sums.add(billed.Value, billed.Currency)
}

func (s Sendable) String() string {
	switch {
	case s.Unknown:
		return "an unknown number of invoices"
	case len(s.sums) == 0:
		return words.Plural(s.Invoices, "invoice")
	}
	return words.Plural(s.Invoices, "invoice") + " of " + s.sums.String()
}

// Doubt is what a person sees before the ledger trusts another database than before.
type Doubt struct {
	Now      billing.Identity
	Accepted *billing.Identity // nil: none yet
	Newest   *time.Time        // request that the ledger knows; nil: none
	Could    Sendable
}

// Print says what may be billed twice; nothing, where the ledger trusts the database.
func (d Doubt) Print(out io.Writer) error {
	if d.Accepted == nil || d.Now.Same(*d.Accepted, false) {
		return nil
	}
	newest := "It knows of no request"
	if d.Newest != nil {
		newest = "The newest request that it knows was sent at " + words.Stamp(*d.Newest)
	}
	_, err := fmt.Fprintf(out, "This database may have forgotten what was sent: %s. %s.\nPending: %s. Any of them may have been billed since; the next run sends them.\nThe ledger trusted %s.\n",
		d.Now.Since(*d.Accepted), newest, d.Could, d.Accepted)
	return err
}
