package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// P1, P2: a night of documents at an API that answers 202 and decides later, rejects some
// and never comes back about others, while the runner is killed twice: one request each,
// and it is known of each where it stands.
func TestP2NightOfDocuments(t *testing.T) {
	t.Parallel()
	const documents = 120
	due := make(chan struct{}, 1)
	b := newBook(t, documents, billingfake.Config{
		Latency: 5 * time.Millisecond,
		Before: func(r billingfake.Received) {
			if r.Attempt == 1 && (r.Invoice == "40" || r.Invoice == "80") {
				due <- struct{}{}
			}
		},
		Traits: []billingfake.Trait{
			billingfake.AcceptLater{After: time.Second, NeverPercent: 3, Seed: 1}, billingfake.Reject{Percent: 5, Seed: 1},
		},
	})
	lookUp := b.env["BILLING_URL"][:len(b.env["BILLING_URL"])-len("/send")]
	env := []string{
		"BILLING_OUTCOMES=202 -> submitted", "BILLING_LOOKUP_URL=" + lookUp,
		"BILLING_LOOKUP_OUTCOMES=200 if body.state == \"processing\" -> submitted\n200 if body.state == \"sent\" -> acted\n200 if body.state == \"rejected\" -> refused",
		"BILLING_TIMEOUT=2s", "BILLING_LOOKUP_AFTER=1s", "CONCURRENCY=4", "CLAIM_SIZE=10",
	}
	for range 2 {
		run := b.start(append(env, "LINGER=1m")...)
		<-due
		run.kill()
	}
	// A killed run's documents are asked about as soon as their requests can't arrive any more: 9 s.
	b.start(append(env, "LINGER=12s")...).wantExit(3)
	stand := map[string]int{}
	for n := 1; n <= documents; n++ {
		r := b.api.Invoice(fmt.Sprint(n))
		state := query[string](b, "select d.state || ' ' || i.pending from billonce.deliveries d join public.invoices i on i.id = d.invoice_id where i.id = $1", n)
		stand[state]++
		if r.Requests != 1 || (r.Effects == 1) != (state == "sent false") {
			t.Errorf("document %d is %s after %d requests and %d effects", n, state, r.Requests, r.Effects)
		}
	}
	rejected := b.api.Counts().Rejected
	never := documents - b.api.Effects() - rejected
	if stand["failed true"] != rejected || stand["submitted true"] != never || rejected*never == 0 {
		t.Errorf("%v, and of %d documents %d were rejected and %d not decided", stand, documents, rejected, never)
	}
}
