package matrix_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/failpoint"
)

// taken is one case of an API that answers 202 and decides later: where the target is
// killed, between the 202 and the settling of what the look-up says.
type taken struct {
	point    string
	strategy string
	keys     bool
}

func (c taken) String() string { return fmt.Sprintf("%s/%s/keys_%t", c.point, c.strategy, c.keys) }

func takens() (all []taken) {
	points := []string{"after_reply", "before_settle_commit", "after_settle_commit"}
	for _, p := range failpoint.Points() {
		if p.Submitted {
			points = append(points, p.Name)
		}
	}
	for n, point := range points {
		// Keys, and who holds locks, matter to what was not written down alone.
		all = append(all, taken{point, []string{"advisory", "row"}[n%2], false}, taken{point, []string{"row", "advisory"}[n%2], true})
	}
	return all
}

// Killed between the 202 and what the look-up says of it, a runner leaves to the next one
// what is sent in the end, with one request and one effect; without keys, what had its 202
// and was not written down is for the look-up.
func testSubmitted(t *testing.T, books chan *book) {
	share(t, books, takens(), func(t *testing.T, b *book, c taken) { c.try(t, b) })
}

func (c taken) try(t *testing.T, b *book) {
	const rejected = 20 // percent
	s := newTestbed(t, b, invoices, billingfake.Config{
		Idempotent: c.keys,
		Traits:     []billingfake.Trait{billingfake.AcceptLater{After: time.Millisecond}, billingfake.Reject{Percent: rejected}},
	})
	shared := []string{
		"LOCK_STRATEGY=" + c.strategy, fmt.Sprintf("BILLING_IDEMPOTENT=%t", c.keys), "CLAIM_SIZE=3", fmt.Sprintf("CONCURRENCY=%d", concurrency),
		"BILLING_TIMEOUT=" + timeout.String(), "BILLING_LOOKUP_URL=" + s.lookUp, "BILLING_OUTCOMES=202 -> submitted",
		`BILLING_LOOKUP_OUTCOMES=200 if body.state == "sent" -> acted
			200 if body.state == "rejected" -> refused
			200 if body.state == "processing" -> submitted`,
	}
	order := c.point + "=kill@3"
	target := s.start("target", append(shared, "BILLONCE_FAILPOINTS="+order)...)
	target.wantActed([]string{order})
	target.wantExit(-1)
	s.start("next", shared...).wantExit(0, 3)
	s.wantIdleAPI()
	for _, d := range s.deliveries() {
		r := s.api.Invoice(d.invoice)
		effects := map[string]int{"sent": 1, "failed": 0}
		want, decided := effects[d.state]
		if !decided || d.pending != (d.state == "failed") || r.Effects != want || len(r.Keys) > 1 || !c.keys && r.Requests != 1 {
			t.Errorf("invoice %s is %s (pending: %t) after %d requests with %d keys and %d effects", d.invoice, d.state, d.pending, r.Requests, len(r.Keys), r.Effects)
		}
	}
}
