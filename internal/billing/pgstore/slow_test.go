package pgstore_test

import (
	"strconv"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
)

// A claim lasts as long as its slowest request. Where one request in each of the
// first claims hangs, the others go on, even if they keep half of the senders busy.
func TestHangingRequestsDontHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 300)
	release, answered := make(chan struct{}), make(chan struct{}, 300)
	a := &api{reply: func(m billing.Request, _ int) billing.Reply {
		if id, _ := strconv.Atoi(string(m.InvoiceID)); id <= 40 && id%10 == 1 {
			<-release
		}
		answered <- struct{}{}
		return billing.Reply{Outcome: billing.Accepted, Status: 200}
	}}
	r := newRunner(t, cfg, a, "advisory", func(c *engine.Config) { c.Idempotent, c.ClaimSize, c.Concurrency = true, 10, 8 })
	done := make(chan billing.Summary)
	go func() { done <- r.Run(t.Context(), nil) }()
	for range 296 {
		<-answered
	}
	close(release)
	if s := <-done; s.Sent != 300 {
		t.Errorf("summary %+v", s)
	}
}
