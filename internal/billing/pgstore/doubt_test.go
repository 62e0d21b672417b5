package pgstore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"billonce/internal/billing"
)

// unsettled counts the deliveries that are begun and not yet settled: what a
// kill at this moment would leave in doubt.
type unsettled struct {
	mu        sync.Mutex
	now, most int
}

func (u *unsettled) add(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.now += n
	u.most = max(u.most, u.now)
}

type countingIntender struct {
	billing.Intender
	count *unsettled
}

func (c countingIntender) Intend(ctx context.Context, intents []billing.Intent, deadline time.Duration) (map[billing.InvoiceID]struct{}, error) {
	c.count.add(len(intents)) // before: the kill may come at the commit
	return c.Intender.Intend(ctx, intents, deadline)
}

type countingSettler struct {
	billing.Settler
	count *unsettled
}

func (c countingSettler) Settle(ctx context.Context, s []billing.Settlement) ([]billing.Settled, error) {
	defer c.count.add(-len(s))
	return c.Settler.Settle(ctx, s)
}

type countingClaimer struct {
	billing.Claimer
	count *unsettled
}

func (c countingClaimer) Claim(ctx context.Context, candidates []billing.Candidate) (*billing.Claim, error) {
	claim, err := c.Claimer.Claim(ctx, candidates)
	if err == nil && claim.Settler != nil {
		claim.Settler = countingSettler{claim.Settler, c.count}
	}
	return claim, err
}

// P1, of an API without keys: a kill at any moment leaves no more deliveries in
// doubt than CONCURRENCY. Row claims, whose slots come back only as they end,
// don't wait for each other's either.
func TestP1NoMoreDoubtThanConcurrency(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		for _, concurrency := range []int{1, 2, 16} {
			t.Run(strategy, func(t *testing.T) {
				t.Parallel()
				cfg := seeded(t, 300)
				a, count := &api{}, &unsettled{}
				r := newRunner(t, cfg, a, strategy, func(c *billing.Config) { c.Concurrency = concurrency })
				newClaimer := r.NewClaimer
				r.NewClaimer = func() billing.Claimer { return countingClaimer{newClaimer(), count} }
				r.Intender, r.Settler = countingIntender{r.Intender, count}, countingSettler{r.Settler, count}
				if s := r.Run(t.Context(), nil); s.Sent != 300 {
					t.Errorf("summary %+v", s)
				}
				if count.now != 0 || count.most == 0 || count.most > concurrency {
					t.Errorf("%d deliveries were begun and not settled at once, with a concurrency of %d", count.most, concurrency)
				}
			})
		}
	}
}
