package billing

import "time"

// Outcome is what one attempt came to.
type Outcome int

const (
	// Unknown: the API may have acted. The zero value, so that whatever was not
	// thought of is doubt and never a success.
	Unknown Outcome = iota
	// Accepted: the API acted.
	Accepted
	// Refused: the API looked at the request and will not act.
	Refused
	// NotSent: the API has certainly not acted.
	NotSent
	// Throttled: the API has not acted, since it was asked too often. That is a pace, and
	// no fault: it spends no attempt.
	Throttled
)

func (o Outcome) String() string {
	switch o {
	case Accepted:
		return "accepted"
	case Refused:
		return "refused"
	case NotSent:
		return "not_sent"
	case Throttled:
		return "throttled"
	case Unknown:
	}
	return "unknown"
}

// Reply is what the sender saw of one attempt.
type Reply struct {
	Outcome    Outcome
	Status     int           // HTTP status, 0 if none was read
	RetryAfter time.Duration // what the API asked for; 0: nothing
	Denied     bool          // 401: it is us whom the API refuses, whatever the invoice
	Replaced   bool          // 401 for a credential that has been replaced since: the next attempt has another one
	Elsewhere  bool          // 307, 308: the requests belong to another place, which the reason names
	KeyReused  bool          // 422 on a key that was used before: the API holds another request under it
	NotAsked   bool          // no attempt was made: the permit was withdrawn before the first byte
	Reason     string        // for people; holds no secret; empty when accepted
	Answer     *Answer       // nil unless it was accepted and something of it is kept
	Odd        Odd           // what is strange about an accepted reply
}

// Odd is what is strange about an accepted reply: a person is told.
type Odd uint8

// A reply may be odd in several ways.
const (
	// OddWithoutID: it lacks the id that BILLING_REPLY_ID names.
	OddWithoutID Odd = 1 << iota
	// OddHTML: its body is a page where JSON was asked for.
	OddHTML
)

// Answer is what is kept of the body of an accepted reply.
type Answer struct {
	ID     string    // for the ledger; empty: the reply has none
	Values []*string // for the invoice, in the order in which they are asked for; nil: the reply lacks it
}

// Finding is what a look-up says.
type Finding int

const (
	// UnknownFinding: the look-up does not tell. The zero value, for the reason that Unknown is.
	UnknownFinding Finding = iota
	// Acted: the API has acted.
	Acted
	// Absent: the API has not acted.
	Absent
	// RefusedFinding: the API has refused the request, and will not act.
	RefusedFinding
)

func (f Finding) String() string {
	switch f {
	case Acted:
		return "acted"
	case Absent:
		return "absent"
	case RefusedFinding:
		return "refused"
	case UnknownFinding:
	}
	return "unknown"
}

// Found is what a look-up came to.
type Found struct {
	Finding    Finding
	Told       bool          // the API has answered the question, if only by what a rule calls unknown; no failure, no surprise
	Throttled  bool          // 429: the whole runner slows down
	RetryAfter time.Duration // what the API asked for; 0: nothing
	Reason     string        // for people; holds no secret
}
