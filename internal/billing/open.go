package billing

import "time"

// OpenKind is why something waits for a person.
type OpenKind string

// What a person is told until a person has decided.
const (
	OpenInDoubt      OpenKind = "in_doubt"
	OpenUnmarked     OpenKind = "unmarked"
	OpenFailed       OpenKind = "failed" // and its invoice is still pending
	OpenPendingAgain OpenKind = "pending_again"
	OpenSetAside     OpenKind = "set_aside"
	OpenRetry        OpenKind = "retry" // for two days
)

// OpenGroup is what is open for one reason.
type OpenGroup struct {
	Kind    OpenKind          `json:"kind"`
	Reason  string            `json:"reason"` // of one of them
	Count   int64             `json:"count"`
	Since   time.Time         `json:"since"`   // the oldest
	Example InvoiceID         `json:"example"` // one of them
	Sums    map[string]string `json:"sums"`    // by currency, where amounts are kept
}

// Open is what was open at a time.
type Open struct {
	At     time.Time
	Count  int64
	Of     map[OpenKind]int64
	Groups []OpenGroup // the most frequent reasons of each kind
	Newest time.Time   // when the youngest came to be open
	Set    string      // the same for the same invoices of the same kinds
}

// MostPendingAgain is how many invoices that are pending again are kept in mind by
// their ids.
const MostPendingAgain = 10_000

// PendingAgain is what a run found pending though it was sent.
type PendingAgain struct {
	Count int
	IDs   []InvoiceID // the first of them, [MostPendingAgain] at most
	Whole bool        // the run has seen the whole table
}
