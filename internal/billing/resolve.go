package billing

import (
	"fmt"
	"time"
)

// Resolution is what a person wants to come of a delivery: Sent, Retry or
// Cancelled.
type Resolution struct {
	To      State
	Attempt int // the one that the person has looked into; 0: whichever is the last
	By      string
	Reason  string
}

// Resolvable is what the answer to a Resolution depends on.
type Resolvable struct {
	State    State // empty: never tried
	Attempt  int
	DecideIn time.Duration // until no request of it can arrive, BILLING_LOOKUP_AFTER past its deadline; ≤ 0: none can
}

// Ruling is that answer.
type Ruling struct {
	ClearsDoubt bool
	Refusal     string // why not, and what to do; empty: it is done
}

// Resolve is the people's part of a delivery's state machine, beside [Decide].
// A person's word weighs as much as a look-up's: "sent" is [Acted], "retry" out
// of doubt is [Absent], and like a look-up's it counts only once the request
// can't be on its way any more.
//
// So a retry out of doubt clears the doubt, and with it what follows from it:
// the next intent takes the invoice as it is now, under the same key, whose age
// begins anew. Were the old body's hash or the old age kept, the next run would
// put the delivery back into doubt, and the person's answer were lost. It is safe
// because the API has not acted under the key: remembered or forgotten, the
// request has one effect.
//
// A failed delivery was answered, so that nothing of it is on its way, and there
// is no deadline to wait for. It has no doubt to clear either (a refusal under
// doubt is in doubt): should the ledger say so all the same, it stays, and
// [Decide] judges the repeat.
func Resolve(d Resolvable, r Resolution) Ruling {
	if refusal := outOfReach(d, r); refusal != "" {
		return Ruling{Refusal: refusal}
	}
	return Ruling{ClearsDoubt: d.State == InDoubt && r.To == Retry}
}

func outOfReach(d Resolvable, r Resolution) string {
	switch d.State {
	case InDoubt, Failed:
	case Sending:
		return "it is sending: its request may be on its way, or its runner has died; the next `batch run` finds out"
	case Sent:
		return "it is sent: nothing is left to decide"
	case Unmarked:
		return "it is unmarked: the API accepted it, and each `batch run` marks its invoice as soon as it can; mend the row, or take it out of INVOICES_PENDING"
	case Retry:
		return "it is to be tried again by the next `batch run`; to keep it from that, take the invoice out of INVOICES_PENDING"
	case Cancelled:
		return "it is cancelled: no run sends it, and nothing is left to decide"
	default:
		return "it was never tried: see `batch status` for what is pending"
	}
	switch {
	case r.Attempt != 0 && r.Attempt != d.Attempt:
		return fmt.Sprintf("its last attempt is %d, not %d: look at it again with `batch status --in-doubt`", d.Attempt, r.Attempt)
	case d.State == Failed && r.To == Sent:
		return "it is failed: the API refused it; take --retry or --cancel"
	case d.State == InDoubt && d.DecideIn > 0:
		return fmt.Sprintf("it is in_doubt, and its request may still arrive (BILLING_LOOKUP_AFTER past its deadline): look and resolve in %s", d.DecideIn.Truncate(time.Second)+time.Second)
	case r.To != Sent && r.To != Retry && r.To != Cancelled:
		return fmt.Sprintf("nobody can make it %q", r.To)
	}
	return ""
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
