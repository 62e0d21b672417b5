package billing

import (
	"time"

	"github.com/google/uuid"
)

// State is a delivery's place in the state machine (docs/guarantees.md).
type State string

// The states that the ledger's CHECK constraint admits.
const (
	Sending   State = "sending"
	Sent      State = "sent"
	Unmarked  State = "unmarked" // the API accepted it, and its invoice can't be marked yet
	Failed    State = "failed"
	Retry     State = "retry"
	InDoubt   State = "in_doubt"
	Cancelled State = "cancelled"
	// SubmittedState: the API has taken the request, and has not yet said what became of it.
	SubmittedState State = "submitted"
)

// Delivery is an invoice's row in the ledger. Ages and due times were
// computed by the database's clock, the only one that all runners share.
type Delivery struct {
	State         State
	Attempt       int           // of the whole delivery, from 1
	RunAttempt    int           // within the run RunID, from 1
	RunID         uuid.UUID     // who wrote the row last
	Key           string        // its idempotency key: it is never computed again
	BodySHA256    []byte        // of the first attempt that may have had its effect
	RequestSHA256 []byte        // likewise; nil: an older program's, of whose request only the body is known
	LookupSHA256  []byte        // of the look-up that belongs to it; nil: none is known to
	KeyVersion    int           // which of the invoice's keys it is, from 1
	KeyUse        KeyUse        // of the attempts under this key
	KeyAge        time.Duration // since the first of them of which a byte may have left
	Again         bool          // a person said that the invoice, which was sent, is rightly pending once more
	DueIn         time.Duration // until a `retry` may be tried; ≤ 0: now
	Doubtful      bool          // an earlier attempt may have had its effect
	SubmittedFor  time.Duration // since the API took its last attempt with a 202; 0: it did not
	ReplyID       string        // what BILLING_REPLY_ID names; empty: none
	Status        int           // of the reply to the last attempt; 0: there is none
	DeadlineIn    time.Duration // until no request of the last attempt can be on its way; ≤ 0: none can
}

// DeadlinePassed says that no request of the last attempt can still be on its way.
func (d *Delivery) DeadlinePassed() bool { return d.DeadlineIn <= 0 }

// WasThrottled says that its last attempt was answered, and counted for none of its run's.
func (d *Delivery) WasThrottled() bool {
	return d != nil && d.State == Retry && d.RunAttempt == 0 && d.Status != 0
}

// MayHaveActed says that a request of this delivery may have had its effect, so that
// it is not left as it is only because no further one can be made.
func (d *Delivery) MayHaveActed() bool {
	return d != nil && (d.Doubtful || d.State == Sending || d.State == InDoubt)
}

// StandsAccepted says that the API has acted on it, as far as the ledger knows today.
func (d *Delivery) StandsAccepted() bool {
	return d != nil && (d.State == Sent || d.State == Unmarked || d.State == SubmittedState)
}
