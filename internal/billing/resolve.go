package billing

import (
	"fmt"
	"time"
)

// RetryIsOpen is how long a delivery is in `retry` until a person may end it.
const RetryIsOpen = 48 * time.Hour

// Resolution is what a person wants to come of a delivery.
type Resolution struct {
	To      State // Sent, Retry or Cancelled; empty: what it was before it was cancelled
	Again   bool  // To is Retry, of what was sent: the invoice is rightly pending once more
	Attempt int   // the one that the person has looked into; 0: whichever is the last
	By      string
	Reason  string
}

// Resolvable is what the answer to a Resolution depends on.
type Resolvable struct {
	State        State // empty: never tried
	Attempt      int
	DecideIn     time.Duration // until no request of it can arrive, BILLING_LOOKUP_AFTER past its deadline; ≤ 0: none can
	Pending      bool          // its invoice is
	RetryFor     time.Duration // how long it is in Retry
	SubmittedIn  time.Duration // of SubmittedState: until BILLING_SUBMITTED_FOR is over; ≤ 0: it is
	Was          State         // of Cancelled: before
	KeyVersion   int
	KeyReplaced  bool   // every attempt under its key was answered: another one may follow
	OlderProgram string // the application of an unfinished run that knows no versions of keys; empty: there is none
}

// Ruling is that answer.
type Ruling struct {
	To          State
	ClearsDoubt bool
	KeyVersion  int    // of the key that it gets; 0: it keeps its own
	Note        string // what the person should know of it
	Refusal     string // why not, and what to do; empty: it is done
}

// Resolve is the people's part of a delivery's state machine, beside [Decide].
// A person's word weighs as much as a look-up's: "sent" is [Acted], "retry" out
// of doubt is [Absent], and like a look-up's it counts only once the request
// can no longer arrive.
//
// So a retry out of doubt clears the doubt: the next intent takes the invoice as it is
// now, under the same key. Were the old hashes kept, the next run would put the
// delivery back into doubt, and the person's answer were lost. It is safe because the
// API has not acted under the key: remembered or forgotten, the request has one effect.
//
// A failed delivery was answered, so that nothing of it is on its way, and there
// is no deadline to wait for. It has no doubt to clear either (a refusal under
// doubt is in doubt): should the ledger say so all the same, it stays, and
// [Decide] judges the repeat. An API that remembers its refusals by key would never let
// the mended invoice through: it gets another key, if all attempts under the old one
// were answered. What was sent gets another one, too, once a person says that it is
// owed again. Never is there a second key while the first one's effect is not known,
// nor while an older program runs, which would compute the first one.
func Resolve(d Resolvable, r Resolution) Ruling {
	if refusal := outOfReach(d, r); refusal != "" {
		return Ruling{Refusal: refusal}
	}
	ruling := Ruling{To: r.To, ClearsDoubt: d.State == InDoubt && r.To == Retry}
	if r.To == "" {
		ruling.To = d.Was
	}
	if ruling.To != Retry || d.State != Failed && !r.Again {
		return ruling
	}
	switch {
	case r.Again && d.OlderProgram != "":
		return Ruling{Refusal: "it needs another idempotency key, which no run of an older program may meet, and one is unfinished (" +
			d.OlderProgram + "): wait until it has ended, or, if it was killed, until the next `batch run` has found that out"}
	case d.OlderProgram != "":
		ruling.Note = "under the same idempotency key, since a run of an older program is unfinished (" + d.OlderProgram +
			"): an API that remembers its refusals answers the same"
	case !r.Again && !d.KeyReplaced:
		ruling.Note = "under the same idempotency key, since it was not known of every attempt what it came to: an API that remembers its refusals answers the same"
	default:
		ruling.KeyVersion = d.KeyVersion + 1
		ruling.ClearsDoubt = r.Again // of what was sent nothing is in doubt
		ruling.Note = "under another idempotency key"
	}
	return ruling
}

func outOfReach(d Resolvable, r Resolution) string {
	switch {
	case r.Again && d.State != Sent:
		return "--again is for what was sent and is pending once more, and " + is(d.State)
	case r.To == "" && d.State != Cancelled:
		return "--reopen is for what was cancelled, and " + is(d.State)
	}
	switch d.State {
	case InDoubt, Failed:
	case Sending:
		return "it is sending: its request may be on its way, or its runner has died; the next `batch run` finds out"
	case SubmittedState:
		return submittedUntil(d.SubmittedIn)
	case Sent:
		switch {
		case !d.Pending:
			return "it is sent, and its invoice is not pending: nothing is left to decide"
		case !r.Again && r.To != Sent:
			return "it is sent, and its invoice is pending again: take --again if it is owed once more, or --sent to mark it"
		}
	case Unmarked:
		return "it is unmarked: the API accepted it, and each `batch run` marks its invoice as soon as it can; mend the row, or take it out of INVOICES_PENDING"
	case Retry:
		if d.RetryFor < RetryIsOpen {
			return "it is to be tried again by the next `batch run`; to keep it from that, take the invoice out of INVOICES_PENDING"
		}
	case Cancelled:
		switch {
		case r.To != "":
			return "it is cancelled: no run sends it; to decide anew, take --reopen first"
		case d.Was == "":
			return "it is cancelled, and the ledger does not say what it was before"
		}
	default:
		return "it was never tried: see `batch status` for what is pending"
	}
	waits := d.State == InDoubt || d.State == Retry // what may be on its way
	switch {
	case r.Attempt != 0 && r.Attempt != d.Attempt:
		return fmt.Sprintf("its last attempt is %d, not %d: look at it again with `batch status --in-doubt`", d.Attempt, r.Attempt)
	case waits && d.DecideIn > 0:
		return fmt.Sprintf("it is %s, and its request may still arrive (BILLING_LOOKUP_AFTER past its deadline): look and resolve in %s", d.State, d.DecideIn.Truncate(time.Second)+time.Second)
	case d.State == Retry && r.To == Retry:
		return "it is to be tried again as it is: take --sent or --cancel"
	case r.To != "" && r.To != Sent && r.To != Retry && r.To != Cancelled:
		return fmt.Sprintf("nobody can make it %q", r.To)
	}
	return ""
}

func submittedUntil(left time.Duration) string {
	const asked = "it is submitted: the API has taken it, and each `batch run` asks what became of it; "
	if left <= 0 {
		return asked + "BILLING_SUBMITTED_FOR is over, so that the next one decides it or leaves it in doubt, for you: run it first"
	}
	return fmt.Sprintf(asked+"if the API does not say, the first one in %s or later leaves it in doubt, for you (BILLING_SUBMITTED_FOR)", left.Truncate(time.Second)+time.Second)
}

func is(state State) string {
	if state == "" {
		return "it was never tried"
	}
	return fmt.Sprintf("it is %s", state)
}

// Resolved says what came of a resolution that was not refused.
type Resolved int

const (
	// ResolvedFully: the delivery is in the wanted state; if that is sent, the invoice is marked.
	ResolvedFully Resolved = iota
	// ResolvedInvoiceGone: the delivery is sent, but the invoice was deleted or is not pending any more.
	ResolvedInvoiceGone
	// ResolvedByAnother: the delivery has changed since it was read; nothing was written.
	ResolvedByAnother
	// NotResolved: somebody holds the invoice; nothing was written.
	NotResolved
)
