package engine

import (
	"testing"

	"billonce/internal/billing"
)

// What was seen as an orphan's attempt may have been taken over since: only the
// very attempt whose locks were found free is recovered.
func TestRecoveryIsOfTheAttemptThatWasFound(t *testing.T) {
	t.Parallel()
	v := view{recoverable: map[billing.InvoiceID]int{"7": 1}}
	if left := (planner{}).mayTry("7", &billing.Delivery{State: billing.Sending, Attempt: 1}, v); left != nil {
		t.Errorf("the orphan's attempt is not recovered: %+v", left)
	}
	for id, attempt := range map[billing.InvoiceID]int{"7": 2, "8": 1} {
		left := planner{}.mayTry(id, &billing.Delivery{State: billing.Sending, Attempt: attempt}, v)
		if left == nil || left.do != toLeave || left.why != heldByOther {
			t.Errorf("a live attempt %d of invoice %s would be taken over: %+v", attempt, id, left)
		}
	}
}
