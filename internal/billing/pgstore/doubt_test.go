package pgstore_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
)

// unsettled counts the deliveries that are begun and not yet settled: what a
// kill at this moment would leave in doubt.
type unsettled struct {
	mu        sync.Mutex
	now, most int
	both      int // commits that began some in the place of others
}

func (u *unsettled) add(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.now += n
	u.most = max(u.most, u.now)
}

type countingLedger struct {
	engine.Ledger
	count *unsettled
}

func (c countingLedger) Commit(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (billing.Committed, error) {
	// Before what begins, and after what ends: the kill may come at the commit. Where both
	// are in one it comes before it or after it.
	if len(begin) > 0 && len(end) > 0 {
		came, err := c.Ledger.Commit(ctx, begin, end)
		c.count.add(len(came.Begun) - len(end))
		c.count.both++
		return came, err
	}
	c.count.add(len(begin))
	defer c.count.add(-len(end))
	return c.Ledger.Commit(ctx, begin, end)
}

type countingClaimer struct {
	engine.Claimer
	count *unsettled
}

func (c countingClaimer) Claim(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error) {
	claim, err := c.Claimer.Claim(ctx, candidates)
	if err == nil && claim.Settle != nil {
		settle := claim.Settle
		claim.Settle = func(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
			defer c.count.add(-len(group))
			return settle(ctx, group)
		}
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
				r := newRunner(t, cfg, a, strategy, func(c *engine.Config) { c.Concurrency = concurrency })
				newClaimer := r.NewClaimer
				r.NewClaimer = func() engine.Claimer { return countingClaimer{newClaimer(), count} }
				r.Ledger = countingLedger{r.Ledger, count}
				if s := r.Run(t.Context(), nil); s.Sent != 300 {
					t.Errorf("summary %+v", s)
				}
				if strategy == "advisory" && count.both == 0 {
					t.Error("what began and what ended never shared a commit")
				}
				if count.now != 0 || count.most == 0 || count.most > concurrency {
					t.Errorf("%d deliveries were begun and not settled at once, with a concurrency of %d", count.most, concurrency)
				}
			})
		}
	}
}

// P8: what earlier runs left for another attempt, and what they left in doubt, comes
// after all that is new, wherever a run starts.
func TestP8NewInvoicesComeFirst(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"exclusive": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 60)
			ids := make([]billing.InvoiceID, 30)
			for i := range ids {
				ids[i] = billing.InvoiceID(strconv.Itoa(i + 1))
			}
			leaveSending(t, cfg, ids...)
			execute(t, cfg, `update billonce.deliveries set deadline_at = now() - interval '1 s';
				update billonce.deliveries set state = 'retry', due_at = now() where invoice_id between 11 and 20;
				update billonce.deliveries set state = 'in_doubt' where invoice_id <= 10`)
			var mu sync.Mutex
			var order []int // of what is asked: 0 new, 1 a repeat, 2 a look-up of what was in doubt
			note := func(id billing.InvoiceID) {
				n, _ := strconv.Atoi(string(id))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case n > 30:
					order = append(order, 0)
				case n > 10:
					order = append(order, 1)
				default:
					order = append(order, 2)
				}
			}
			a := &api{reply: func(m billing.Request, _ int) billing.Reply {
				note(m.InvoiceID)
				return billing.Reply{Outcome: billing.Accepted, Status: 200}
			}}
			r := newRunner(t, cfg, a, "advisory", func(c *engine.Config) {
				c.HasLookup, c.Idempotent, c.Spread, c.Place, c.ClaimSize = true, true, shared, 0.3, 7
			})
			believed(t, cfg)
			r.Run(t.Context(), nil)
			if len(order) < 50 || !slices.IsSorted(order) {
				t.Errorf("%d were asked, in the order %v", len(order), order)
			}
		})
	}
}
