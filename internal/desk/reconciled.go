package desk

import (
	"fmt"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Reconciled is what holding the ledger against the provider's list came to.
type Reconciled struct {
	ID      string    `json:"reconciliation_id"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	File    string    `json:"file"`
	SHA256  string    `json:"file_sha256"`
	Decided string    `json:"decided,omitempty"` // resolve or adopt; empty: it only compared
	Lines   int64     `json:"lines"`
	Agreed  int64     `json:"agreed"`
	Differ  int64     `json:"differ"`
	Done    int64     `json:"done,omitempty"` // that it made sent

	Since *time.Time `json:"since,omitempty"` // what it was about; nil: not bounded
	Until *time.Time `json:"until,omitempty"`
}

// Difference is what the list and the ledger are to each other about some invoices.
type Difference struct {
	What    string // in words
	Count   int64
	Sums    string    // by currency
	Agreed  bool      // it is none
	Between []Between // the first of them
}

// Rest says whether there are more than the first of them.
func (d Difference) Rest() bool { return int64(len(d.Between)) < d.Count }

// Between is one invoice, or one thing that only the list has.
type Between struct {
	InvoiceID billing.InvoiceID // empty: no key of ours stands in the list
	Name      string            // what a person can look for
	What      string            // what is known about it
}

func (r Reconciled) text() string {
	text := fmt.Sprintf("%s by %s: %s agreed, %s differed", words.OneLine(r.File), words.OneLine(r.By), words.Count(r.Agreed), words.Count(r.Differ))
	if r.Decided != "" {
		text += fmt.Sprintf("; %s made sent (--%s)", words.Count(r.Done), r.Decided)
	}
	return text
}
