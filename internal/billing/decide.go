package billing

import "time"

// Known is all that the decision about a delivery depends on.
type Known struct {
	Outcome        Outcome       // of the last attempt; Unknown for a recovered `sending`
	Finding        Finding       // of a look-up, if one was made
	LookedUp       bool          // a look-up was made
	Idempotent     bool          // the API honours idempotency keys
	KeyAge         time.Duration // by the database's clock
	KeyTTL         time.Duration // how long the API remembers a key, less the longest request
	AttemptsLeft   bool          // in this run
	HasLookup      bool          // a look-up is configured
	KeyReused      bool          // the API holds another request under the key
	RequestChanged bool          // a repeat would be another request
	DeadlinePassed bool          // no request of the last attempt can still be on its way
	MayLookUp      bool          // BILLING_LOOKUP_AFTER past that: what the kernel or a proxy held has arrived
	Doubtful       bool          // an earlier attempt may have had its effect
	Overdue        bool          // the API took its last attempt with a 202, longer ago than BILLING_SUBMITTED_FOR
	Submitted      bool          // it took it so
	Recovered      bool          // the attempt's sender is gone: found as `sending` with its locks free
}

// Action is what the runner does next about a delivery.
type Action int

const (
	// Settle: write Next into the ledger.
	Settle Action = iota
	// LookUp: ask the API whether it acted, then decide again.
	LookUp
	// Wait: leave the delivery in `sending` until the request's deadline has
	// passed; before a look-up, BILLING_LOOKUP_AFTER more. Its 404 proves nothing while
	// the request may still arrive.
	Wait
)

// Decision is the next state of a delivery, and why.
type Decision struct {
	Action Action
	Next   State // for Settle
	Final  bool  // Retry that this run must not try again: its attempts are used up
	Reason string
}

// Decide is the state machine of a delivery: from what is known to what is
// done. It is pure; a table test covers every combination. Money is never
// guessed: whatever is not certain ends in InDoubt.
func Decide(k Known) Decision {
	switch k.Outcome {
	case Accepted:
		return Decision{Next: Sent}
	case Refused:
		if k.Doubtful {
			// A 401 or a 404 now says nothing about what an attempt before it did.
			return Decision{Next: InDoubt, Reason: "refused now, but an earlier attempt may have had its effect"}
		}
		return Decision{Next: Failed}
	case NotSent:
		return Decision{Next: Retry, Final: !k.AttemptsLeft}
	case Submitted:
		return Decision{Next: SubmittedState}
	case Throttled:
		return Decision{Next: Retry}
	case Unknown:
	}
	if k.LookedUp {
		switch k.Finding {
		case SubmittedFinding:
			if k.Overdue {
				return Decision{Next: InDoubt, Reason: "the look-up says that the API has not decided about it yet, though BILLING_SUBMITTED_FOR is over"}
			}
			return Decision{Next: SubmittedState, Reason: "the look-up says that the API has it, and has not decided about it yet"}
		case Acted:
			return Decision{Next: Sent, Reason: "the look-up says that the API has acted"}
		case Absent:
			if k.Submitted {
				return Decision{Next: InDoubt, Reason: "the look-up says that the API has not acted, though it has taken the request"}
			}
			return Decision{Next: Retry, Final: !k.AttemptsLeft, Reason: "the look-up says that the API has not acted"}
		case RefusedFinding:
			return Decision{Next: Failed, Reason: "the look-up says that the API has refused it"}
		case UnknownFinding:
			return Decision{Next: InDoubt, Reason: "the look-up does not tell"}
		}
		return Decision{Next: InDoubt, Reason: "the look-up does not tell"}
	}
	reason := doubt(k)
	switch {
	case reason == "":
		return Decision{Next: Retry, Final: !k.AttemptsLeft}
	case k.KeyReused:
		// Left in `sending`, the next look would not know of the 422, and repeat.
		return Decision{Next: InDoubt, Reason: reason}
	case !k.DeadlinePassed && (k.HasLookup || k.Recovered):
		return Decision{Action: Wait, Next: Sending, Reason: "its request may still be on its way"}
	case k.HasLookup && !k.MayLookUp:
		return Decision{Action: Wait, Next: Sending, Reason: "it is looked up once its request can no longer arrive"}
	case k.HasLookup:
		return Decision{Action: LookUp}
	}
	return Decision{Next: InDoubt, Reason: reason}
}

// doubt says why an unknown outcome can't be cleared by sending the same
// request again; empty if it can.
func doubt(k Known) string {
	switch {
	case !k.Idempotent:
		return "the API may have acted, and has no idempotency keys"
	case k.KeyReused:
		return "the API holds another request under the same idempotency key"
	case k.RequestChanged:
		return "a repeat would be another request: the invoice or a setting has changed since the first attempt"
	case !KeyAlive(k.KeyAge, k.KeyTTL):
		return "the API may have acted, and may have forgotten the idempotency key since"
	}
	return ""
}
