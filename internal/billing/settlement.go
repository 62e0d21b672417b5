package billing

import (
	"time"

	"github.com/google/uuid"
)

// Intent is what is committed to the ledger before a request may be written.
type Intent struct {
	InvoiceID  InvoiceID
	Attempt    int
	RunAttempt int
	Key        string
	Amount     Amount
	BodySHA256 []byte
	// RequestSHA256 and LookupSHA256 say which request it is, and which look-up asks about it.
	RequestSHA256, LookupSHA256 []byte
	Seen                        *Delivery // what is taken over; nil: a new delivery
	// DeadlineIn is how long from the commit its request can be on its way, at most:
	// the engine sees to it, and the ledger keeps it.
	DeadlineIn time.Duration
	// KeyLife is after how long the API has forgotten a key for certain ([KeyLife]).
	KeyLife time.Duration
}

// Settlement is one outcome on its way into the ledger.
type Settlement struct {
	InvoiceID  InvoiceID
	RunID      uuid.UUID // with Attempt: whose attempt is settled; the guard
	Attempt    int
	RunAttempt int           // attempts made in the run RunID
	State      State         // Sending: only the evidence is written, a later look decides
	Doubtful   bool          // an attempt may have had its effect
	KeyUse     KeyUse        // what the attempt has come to, for its key
	RetryIn    time.Duration // for Retry: when it is due, from now
	ArrivesIn  time.Duration // where it is not decided: how long its request can still be on its way; 0: as its intent says
	Final      bool          // for Retry: this run has tried it as often as it may
	Status     int           // HTTP status, 0 if none was read
	Reason     string        // what was seen, for people; empty when sent
	Answer     *Answer       // what is kept of the reply; nil: nothing
	Kept       *Kept         // what its request was made from; nil: nothing, or it is not needed
	OnlyMarks  bool          // it is written down as accepted: only the marking is left
	Unlike     bool          // its invoice makes another request by now: it is not the one that was sent, and is not marked
}

// Marks says that its invoice is marked with it.
func (s *Settlement) Marks() bool { return s.State == Sent && !s.Unlike }

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
	// An accepted one whose invoice can't be marked is no such: it is settled as Unmarked.
	NotSettled
)

// Committed says what came of a commit to the ledger.
type Committed struct {
	Begun map[InvoiceID]struct{} // the intents that are this run's own: only their requests may be sent
	Ended []Settled              // what came of each settlement, in their order
	// PutOff: nothing was begun, and what was to be may be tried again; what ended stands
	// all the same.
	PutOff bool
}
