package billing

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// InvoiceID is an invoice's key as PostgreSQL prints it: a number, a UUID or
// any text. Integers stay text on their way through: they are never computed
// with, and one path serves all key types.
type InvoiceID string

// Invoice is what the second look saw: the row, still pending, and what the
// ledger knows about it, in snapshots that are younger than the lock.
type Invoice struct {
	ID       InvoiceID
	Row      json.RawMessage // as PostgreSQL wrote it; nil where no request needs it
	Columns  []*string       // the columns that the request's templates name, in their order; nil: NULL
	Delivery *Delivery       // nil: never tried
	Key      string          // its idempotency key
}

// State is a delivery's place in the state machine (docs/guarantees.md).
type State string

// The states that the ledger's CHECK constraint admits.
const (
	Sending   State = "sending"
	Sent      State = "sent"
	Failed    State = "failed"
	Retry     State = "retry"
	InDoubt   State = "in_doubt"
	Cancelled State = "cancelled"
)

// Delivery is an invoice's row in the ledger. Ages and due times were
// computed by the database's clock, the only one that all runners share.
type Delivery struct {
	State          State
	Attempt        int           // of the whole delivery, from 1
	RunAttempt     int           // within the run RunID, from 1
	RunID          uuid.UUID     // who wrote the row last
	BodySHA256     []byte        // of the first attempt that may have had its effect
	KeyAge         time.Duration // since that attempt
	DueIn          time.Duration // until a `retry` may be tried; ≤ 0: now
	Doubtful       bool          // an earlier attempt may have had its effect
	DeadlinePassed bool          // no request of the last attempt can still be on its way
}

// mayHaveActed says that a request of this delivery may have had its effect, so that
// it is not left as it is only because no further one can be made.
func (d *Delivery) mayHaveActed() bool {
	return d != nil && (d.Doubtful || d.State == Sending || d.State == InDoubt)
}

// Candidate is what the scan found: an invoice that was pending, and the state
// of its delivery, in one snapshot. It is stale by nature: only the second
// look, under the lock, decides.
type Candidate struct {
	ID         InvoiceID
	State      State // empty: not in the ledger
	DueIn      time.Duration
	RunID      uuid.UUID
	Attempt    int
	RunAttempt int
}

// Message is one request, rendered.
type Message struct {
	InvoiceID      InvoiceID
	IdempotencyKey string
	URL            string
	Headers        []Header // that are made for the invoice
	LookupURL      string   // empty where no look-up is configured
	Body           []byte
	Repeat         bool   // an earlier attempt may have reached the API under the same key
	TraceParent    string // W3C Trace Context, section 3.2; empty: no trace
}

// Intent is what is committed to the ledger before a request may be written.
type Intent struct {
	InvoiceID  InvoiceID
	Attempt    int
	RunAttempt int
	Key        string
	BodySHA256 []byte
	Seen       *Delivery // what is taken over; nil: a new delivery
}

// Settlement is one outcome on its way into the ledger.
type Settlement struct {
	InvoiceID  InvoiceID
	RunID      uuid.UUID // with Attempt: whose attempt is settled; the guard
	Attempt    int
	RunAttempt int           // attempts made in the run RunID
	State      State         // Sending: only the evidence is written, a later look decides
	Doubtful   bool          // an attempt may have had its effect
	RetryIn    time.Duration // for Retry: when it is due, from now
	Final      bool          // for Retry: this run has tried it as often as it may
	Status     int           // HTTP status, 0 if none was read
	Reason     string        // what was seen, for people; empty when sent
	Answer     *Answer       // what is kept of the reply; nil: nothing
}

// Settled says what came of a settlement.
type Settled int

const (
	// SettledFully: the delivery is in the wanted state; if that is sent, the invoice is marked.
	SettledFully Settled = iota
	// SettledInvoiceGone: the delivery is settled, but the invoice was deleted or taken back meanwhile.
	SettledInvoiceGone
	// SettledByAnother: another run has taken the delivery over; nothing was written.
	SettledByAnother
	// NotSettled: the database refuses this settlement; the delivery stays as it was.
	NotSettled
)
