package reconcile

import (
	"time"

	"github.com/google/uuid"
)

// Kind is what the list and the ledger are to each other about one invoice.
type Kind string

// The kinds, as reconcile_pairs.sql tells them.
const (
	Agreed        Kind = "agreed"         // sent here, and the API acted on it once
	TheirsOnly    Kind = "theirs_only"    // the API acted; here it is not sent, or unknown
	OursOnly      Kind = "ours_only"      // sent here; the list has no such act
	TwiceThere    Kind = "twice_there"    // the API acted more than once
	AmountsDiffer Kind = "amounts_differ" // another amount or currency
	IDsDiffer     Kind = "ids_differ"     // it stands there under another id than the API gave us
	Decides       Kind = "decides"        // in doubt here, and there once: the API acted
	Undecided     Kind = "undecided"      // in doubt here, and what stands there decides nothing
	DoubtAbsent   Kind = "doubt_absent"   // in doubt here, and not there
	UnderWay      Kind = "under_way"      // sending or submitted here, and there once
	Earlier       Kind = "earlier"        // sent again on purpose since: only a line with the key could tell
	NotActed      Kind = "not_acted"      // neither here nor there
)

// Differences are the kinds of which each one is a difference, or still open.
func Differences() []Kind {
	return []Kind{TheirsOnly, OursOnly, TwiceThere, AmountsDiffer, IDsDiffer, Decides, Undecided, DoubtAbsent}
}

// Sum is what some invoices of one currency come to; exact, in the currency's unit.
// Empty: not known.
type Sum struct {
	Currency string `json:"currency"`
	Count    int64  `json:"count"`
	Ours     string `json:"ours,omitempty"`
	Theirs   string `json:"theirs,omitempty"`
}

// Figure is how many there are of a kind.
type Figure struct {
	Count int64 `json:"count"`
	Sums  []Sum `json:"sums,omitempty"`

	within  int64 // first sent between since and until
	foreign int64 // that name no key of ours
}

// Found is one invoice, or one thing that only the list has.
type Found struct {
	Kind        Kind       `json:"kind"`
	InvoiceID   string     `json:"invoice_id,omitempty"`
	TheirID     string     `json:"their_id,omitempty"` // what the list has for our id
	Line        int64      `json:"line,omitempty"`     // the first one
	Lines       int64      `json:"lines,omitempty"`
	State       string     `json:"state,omitempty"` // empty: no delivery
	Attempt     int        `json:"attempt,omitempty"`
	OurAmount   string     `json:"our_amount,omitempty"`
	OurCurrency string     `json:"our_currency,omitempty"`
	Amount      string     `json:"amount,omitempty"`
	Currency    string     `json:"currency,omitempty"`
	Status      string     `json:"status,omitempty"`
	ReplyID     string     `json:"reply_id,omitempty"`
	Key         string     `json:"idempotency_key,omitempty"`
	At          *time.Time `json:"at,omitempty"`
}

// Name is what a person can look for.
func (f Found) Name() string {
	for _, name := range []string{f.InvoiceID, f.TheirID, f.ReplyID, f.Key} {
		if name != "" {
			return name
		}
	}
	return "(no id)"
}

// Report is what a reconciliation came to.
type Report struct {
	ID       uuid.UUID
	File     string // its name
	SHA256   string
	Since    *time.Time
	Until    *time.Time
	Lines    int64 // of the list, the header not counted
	Figures  map[Kind]Figure
	Examples map[Kind][]Found // the first of each kind
	Decided  *Tally           // nil: it only compared
}

// Count is how many there are of some kinds.
func (r Report) Count(kinds ...Kind) (n int64) {
	for _, k := range kinds {
		n += r.Figures[k].Count
	}
	return n
}

// Differs says whether anything differs.
func (r Report) Differs() bool { return r.Count(Differences()...) > 0 }
