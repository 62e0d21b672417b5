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

// LookMost is how many bytes of rows one look reads, at most; one row in any case.
const LookMost = 2 << 20

// Invoice is what the second look saw: the row, still pending, and what the
// ledger knows about it, in snapshots that are younger than the lock.
type Invoice struct {
	ID       InvoiceID
	Row      json.RawMessage // as PostgreSQL wrote it; nil where no request needs it
	Columns  []*string       // the columns that the request's templates name, in their order; nil: NULL
	Amount   Amount          // what it bills, where INVOICES_AMOUNT and INVOICES_CURRENCY say so
	Delivery *Delivery       // nil: never tried
	Key      string          // its idempotency key
	Fault    error           // why its row can't be read; nil: it was
	Unread   bool            // the others of the look have filled [LookMost]: to be looked at again
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
	Fault      error   // INVOICES_PENDING fails on it, so that it may be pending or not
	Value      *string // INVOICES_ONE_PER; nil: it has none
}

// Lower says of which value an invoice is, and which lower one of that value keeps it back.
type Lower struct {
	Value *string
	ID    InvoiceID // empty: none
	State State     // its delivery's; empty: it is untried
}
