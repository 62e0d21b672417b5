package pgstore_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
)

// weighing is an API that weighs what is in hand: bodies that are made and not yet sent.
type weighing struct {
	api
	mu        sync.Mutex
	now, most int
}

func (w *weighing) Render(inv billing.Invoice) (billing.Request, error) {
	w.weigh(len(inv.Row))
	return w.api.Render(inv)
}

func (w *weighing) weigh(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now += n
	w.most = max(w.most, w.now)
}

// However wide the rows are, what is in hand is bounded in bytes, and all are sent.
func TestP7WideRowsAreBounded(t *testing.T) {
	t.Parallel()
	for _, idempotent := range []bool{true, false} {
		for _, strategy := range []string{"advisory"} {
			t.Run(fmt.Sprintf("keys %t", idempotent), func(t *testing.T) {
				t.Parallel()
				cfg := seeded(t, 40)
				execute(t, cfg, `update invoices set customer = repeat(md5(id::text), 20000)`)
				w := &weighing{}
				w.reply = func(m billing.Request, _ int) billing.Reply {
					w.weigh(-len(m.Body))
					return billing.Reply{Outcome: billing.Accepted, Status: 200}
				}
				r := newRunner(t, cfg, &w.api, strategy, func(c *engine.Config) { c.Idempotent, c.Concurrency, c.MaxAttempts = idempotent, 50, 100 })
				r.Renderer, r.Sender = w, w
				s := r.Run(t.Context(), nil)
				const mib = 1 << 20
				if s.Sent != 40 || s.ExitCode() != 0 || len(w.requests) != 40 {
					t.Errorf("summary %+v, exit %d", s, s.ExitCode())
				}
				if w.most > 20*mib {
					t.Errorf("%d MiB were in hand", w.most/mib)
				}
			})
		}
	}
}
