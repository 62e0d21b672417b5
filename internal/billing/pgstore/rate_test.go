package pgstore_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// sharedRun is a run that shares the run lock, and with it BILLING_RATE.
func sharedRun(t *testing.T, cfg *pgx.ConnConfig, a *api, change func(*engine.Config)) billing.Summary {
	t.Helper()
	r := newRunner(t, cfg, a, "advisory", func(c *engine.Config) {
		c.Spread, c.Linger = true, time.Minute
		change(c)
	})
	held, err := advisory.Acquire(t.Context(), advisory.Config{Conn: cfg, Key: advisory.NewRunKey("invoices"), Mode: advisory.Shared, LongestRequest: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	lock := r.Ledger.(*pgstore.Store).KeepRunLock(held, "invoices", advisory.Shared)
	r.Ports.Rate = lock
	s := r.Run(t.Context(), lock)
	if err := lock.Release(t.Context()); err != nil {
		t.Error(err)
	}
	return s
}

// Two runners take no less time than the rate of one: each with all of it would take half.
func TestRunnersShareTheRate(t *testing.T) {
	t.Parallel()
	for _, idempotent := range []bool{true, false} {
		t.Run(fmt.Sprintf("idempotent_%t", idempotent), func(t *testing.T) {
			t.Parallel()
			const rate, invoices = 20, 80
			cfg := seeded(t, invoices)
			var at [2][]time.Time
			var sent [2]int64
			var g errgroup.Group
			for n := range at {
				a := &api{reply: func(billing.Request, int) billing.Reply {
					return billing.Reply{Outcome: billing.Accepted, Status: 200}
				}}
				a.reply = noting(&at[n], a.reply)
				g.Go(func() error {
					s := sharedRun(t, cfg, a, func(c *engine.Config) { c.Rate, c.Idempotent, c.Concurrency = rate, idempotent, 1 })
					sent[n] = s.Sent
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			all := slices.Concat(at[0], at[1])
			slices.SortFunc(all, time.Time.Compare)
			took := all[len(all)-1].Sub(all[0])
			if least := time.Second * invoices * 9 / rate / 10; took < least || sent[0]+sent[1] != invoices {
				t.Errorf("%d and %d sent in %s; want all, in %s at least", sent[0], sent[1], took, least)
			}
		})
	}
}

// noting notes when requests come, one at a time.
func noting(at *[]time.Time, reply func(billing.Request, int) billing.Reply) func(billing.Request, int) billing.Reply {
	return func(m billing.Request, n int) billing.Reply {
		*at = append(*at, time.Now())
		return reply(m, n)
	}
}

// P8: a run that the API has told to wait ends as others have sent what it has found, and not
// as its wait ends.
func TestP8WhoWaitsSeesThatOthersHaveSentAll(t *testing.T) {
	t.Parallel()
	const wait = 40 * time.Second
	cfg := seeded(t, 50)
	waits := make(chan struct{})
	told := sync.OnceFunc(func() { close(waits) })
	throttling := &api{reply: func(billing.Request, int) billing.Reply {
		told()
		return throttledFor(wait)
	}}
	accepting := &api{reply: func(billing.Request, int) billing.Reply {
		return billing.Reply{Outcome: billing.Accepted, Status: 200}
	}}
	var first, second billing.Summary
	var g errgroup.Group
	g.Go(func() error {
		first = sharedRun(t, cfg, throttling, func(c *engine.Config) { c.Concurrency = 1 })
		return nil
	})
	g.Go(func() error {
		<-waits
		for query[int](t, cfg, "select count(*) from billonce.deliveries where state = 'retry'") == 0 {
			runtime.Gosched()
		}
		execute(t, cfg, "update billonce.deliveries set due_at = now()")
		second = sharedRun(t, cfg, accepting, func(*engine.Config) {})
		return nil
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if first.Sent != 0 || second.Sent != 50 || first.Elapsed > wait/2 {
		t.Errorf("the first one sent %d in %s, the second one %d", first.Sent, first.Elapsed, second.Sent)
	}
}
