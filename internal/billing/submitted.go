package billing

import "time"

// NextSubmitted is a delivery that the API has taken with a 202.
type NextSubmitted struct {
	ID    InvoiceID
	DueIn time.Duration // until it is due to be looked up; ≤ 0: now
}

const (
	// SubmittedFirst is after how long what was submitted is looked up, unless its reply
	// has asked for another wait.
	SubmittedFirst = 5 * time.Second
	// submittedLongest is how long it is left alone, at most.
	submittedLongest = 15 * time.Minute
)

// DecideSubmitted says what a look-up makes of a delivery that the API has taken with a
// 202. It is never sent again. mayLookUp: no request can still be on its way to the API,
// nor an earlier 404 in a cache; most is BILLING_SUBMITTED_FOR.
func DecideSubmitted(d *Delivery, f Found, mayLookUp bool, most time.Duration) Decision {
	overdue := d.SubmittedFor >= most
	switch {
	case f.Finding == Acted || f.Finding == RefusedFinding || f.Finding == Absent && mayLookUp,
		f.Finding == SubmittedFinding && overdue:
		return Decide(Known{Outcome: Unknown, LookedUp: true, Finding: f.Finding, Submitted: true, Overdue: overdue})
	case overdue:
		return Decision{Next: InDoubt, Reason: "the API has taken the request, and its look-up did not tell what became of it, though BILLING_SUBMITTED_FOR is over: " + f.Reason}
	}
	return Decision{Next: SubmittedState, Reason: f.Reason}
}

// SubmittedNext is how long to wait for the first look-up of what was just submitted.
func SubmittedNext(asked, most time.Duration) time.Duration {
	if asked == 0 {
		return SubmittedFirst
	}
	return min(asked, most)
}

// SubmittedAgain is how long to wait for the next look-up of what was submitted so long
// ago: half as long again each time. asked is what the API has asked for; it is not heeded
// beyond most, BILLING_SUBMITTED_FOR, when the last look-up is due.
func SubmittedAgain(since, asked, most time.Duration) time.Duration {
	next := max(SubmittedFirst, min(since/2, submittedLongest))
	if asked > next {
		next = max(next, min(asked, most-since))
	}
	return next
}
