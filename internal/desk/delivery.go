package desk

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
)

// Delivery is a delivery as people see it: the evidence for their decisions.
type Delivery struct {
	InvoiceID   billing.InvoiceID `json:"invoice_id"`
	State       billing.State     `json:"state,omitempty"` // empty: never tried
	Attempt     int               `json:"attempt"`
	Key         uuid.UUID         `json:"idempotency_key"`
	BodySHA256  string            `json:"body_sha256"`
	Doubtful    bool              `json:"doubtful"`
	FirstSentAt time.Time         `json:"first_sent_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	DeadlineAt  time.Time         `json:"deadline_at"`        // after this, none of its requests can be on its way
	BegunAt     *time.Time        `json:"begun_at,omitempty"` // its last attempt; nil: not known
	RunGoneAt   *time.Time        `json:"-"`                  // when its runner was found to be killed or cut off; nil: it was not
	RunEndedAt  *time.Time        `json:"-"`                  // when its run ended; nil: it has not
	DecideAt    time.Time         `json:"decide_at,omitzero"` // from then on a person may decide about it out of doubt: BILLING_LOOKUP_AFTER past that
	DueAt       *time.Time        `json:"due_at,omitempty"`
	HTTPStatus  int               `json:"http_status,omitempty"`
	Error       string            `json:"error,omitempty"`
	RunID       uuid.UUID         `json:"run_id"`
	Application string            `json:"application,omitempty"` // the run's: billonce/pod/process
	ReplyID     string            `json:"reply_id,omitempty"`    // what the API calls the invoice
	LooksUp     bool              `json:"-"`                     // a run asks the API about what is in doubt
	Row

	// By the database's clock, as of the reading.
	DecideIn   time.Duration `json:"-"` // until a person may decide about it out of doubt
	Age        time.Duration `json:"-"` // in its state
	AgeSeconds float64       `json:"age_seconds"`
}

// Resolvable is what a person's decision about the delivery depends on.
func (d Delivery) Resolvable() billing.Resolvable {
	return billing.Resolvable{State: d.State, Attempt: d.Attempt, DecideIn: d.DecideIn}
}

// ErrID says that what was given is no id of an invoice.
var ErrID = errors.New("is not an id of this book's invoices")

// ErrMarking says that the user's SQL has changed: the variable's name stands before it.
var ErrMarking = errors.New("is not what the last run had: set it as the CronJob does, or let a run settle something with it first")

// What an invoice can be, as its table says.
const (
	InvoicePending    = "pending"
	InvoiceNotPending = "not pending"
	InvoiceMissing    = "missing"
)

// Named is an invoice that a person named.
type Named struct {
	InvoiceID billing.InvoiceID
	Invoice   string // InvoicePending, InvoiceNotPending or InvoiceMissing
}

// Pruned is how far a prune has come.
type Pruned struct {
	Read    int64 `json:"read"`
	Removed int64 `json:"removed"`
}
