package pgstore_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// runStanding is a run that knows what earlier ones have left.
func runStanding(t *testing.T, cfg *pgx.ConnConfig, a *api, change func(*engine.Config)) billing.Summary {
	t.Helper()
	r := newRunner(t, cfg, a, "advisory", change)
	store := r.Ledger.(*pgstore.Store)
	if err := store.StartRun(t.Context(), pgstore.RunRecord{Name: "invoices", Strategy: "advisory", RunLock: "exclusive", Application: "test", Version: "test"}); err != nil {
		t.Fatal(err)
	}
	st, err := store.ReadStanding(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.NotBefore, r.Standing = st.Wait, store
	s := r.Run(t.Context(), nil)
	if err := store.FinishRun(t.Context(), s.ExitCode(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func throttledFor(d time.Duration) billing.Reply {
	return billing.Reply{Outcome: billing.Throttled, Status: 429, RetryAfter: d, Reason: "HTTP 429"}
}

// P8: a quota that is used up ends the run at once and says when to run again. The next
// run asks with one request; once that is accepted, all is as ever.
func TestP8QuotaEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, idempotent := range []bool{true, false} {
		t.Run(fmt.Sprintf("idempotent_%t", idempotent), func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 200)
			var mu sync.Mutex
			left := 30
			a := &api{reply: func(billing.Request, int) billing.Reply {
				mu.Lock()
				defer mu.Unlock()
				if left == 0 {
					return throttledFor(time.Hour)
				}
				left--
				return billing.Reply{Outcome: billing.Accepted, Status: 200}
			}}
			settings := func(c *engine.Config) { c.Idempotent = idempotent }
			s := runStanding(t, cfg, a, settings)
			if s.Stopped != billing.StoppedByThrottle || s.ExitCode() != billing.ExitStopped || s.Sent != 30 || s.Requests > 30+16+2 || s.NotBefore == nil {
				t.Errorf("%+v, exit %d", s, s.ExitCode())
			}
			if n := query[int](t, cfg, "select count(*) from billonce.ledger where not_before between now() + interval '50 min' and now() + interval '61 min'"); n != 1 {
				t.Error("the ledger does not say when to run again")
			}
			if n := query[int](t, cfg, "select count(*) from billonce.deliveries where state = 'sending'"); n != 0 {
				t.Errorf("%d are left sending", n)
			}
			s = runStanding(t, cfg, a, settings)
			if s.Stopped != billing.StoppedByThrottle || s.Requests != 1 {
				t.Errorf("the next run: %+v", s)
			}
			mu.Lock()
			left = 1000
			mu.Unlock()
			execute(t, cfg, "update billonce.deliveries set due_at = now() where state = 'retry'")
			s = runStanding(t, cfg, a, settings)
			if s.ExitCode() != billing.ExitDone || s.Sent != 170 {
				t.Errorf("the quota's next day: %+v, exit %d", s, s.ExitCode())
			}
			if n := query[int](t, cfg, "select count(*) from billonce.ledger where not_before is null"); n != 1 {
				t.Error("the ledger still says to wait")
			}
		})
	}
}

// P8: invoices that are to wait for long hold back nothing else, wherever in the book they
// are, and are asked for once in a run.
func TestP8LongWaitsHoldBackTheirOwn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		own        func(id int) bool
		idempotent bool
	}{
		"one":         {func(id int) bool { return id == 7 }, false},
		"the head":    {func(id int) bool { return id <= 30 }, true},
		"one in nine": {func(id int) bool { return id%9 == 4 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 100)
			waits := 0
			for id := range 100 {
				if c.own(id + 1) {
					waits++
				}
			}
			a := &api{reply: func(m billing.Request, _ int) billing.Reply {
				if id, _ := strconv.Atoi(string(m.InvoiceID)); c.own(id) {
					return throttledFor(time.Hour)
				}
				return billing.Reply{Outcome: billing.Accepted, Status: 200}
			}}
			settings := func(config *engine.Config) { config.Idempotent = c.idempotent }
			s := runStanding(t, cfg, a, settings)
			if s.Sent != int64(100-waits) || s.Stopped != "" || s.Retry != int64(waits) || s.ExitCode() != billing.ExitStopped || s.Requests != 100 {
				t.Errorf("%+v, exit %d", s, s.ExitCode())
			}
			// They say the same the next night, and what is left beside them is sent.
			execute(t, cfg, "update billonce.deliveries set due_at = now() where state = 'retry'")
			execute(t, cfg, "update billonce.deliveries set state = 'retry', due_at = now(), run_attempt = 1 where invoice_id in (99, 100)")
			execute(t, cfg, "update invoices set pending = true where id in (99, 100)")
			s = runStanding(t, cfg, a, settings)
			if s.Sent != 2 || s.Stopped != "" || s.Requests != int64(waits+2) {
				t.Errorf("the next night: %+v, exit %d", s, s.ExitCode())
			}
			if n := query[int](t, cfg, "select count(*) from billonce.ledger where not_before is null"); n != 1 {
				t.Error("the ledger says to wait")
			}
		})
	}
}

// accounts renders a header that names the invoice's account: all but every tenth invoice
// are of one.
type accounts struct{ *api }

func (a accounts) Render(inv billing.Invoice) (billing.Request, error) {
	r, err := a.api.Render(inv)
	name := "large"
	if inv.ID[len(inv.ID)-1] == '0' {
		name = "small"
	}
	r.Headers = []billing.Header{{Name: "Account", Value: name}}
	return r, err
}

func TestP8OneAccountsQuotaHoldsBackItsOwn(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 200)
	a := &api{reply: func(m billing.Request, _ int) billing.Reply {
		if m.Headers[0].Value == "large" {
			return throttledFor(time.Hour)
		}
		return billing.Reply{Outcome: billing.Accepted, Status: 200}
	}}
	r := newRunner(t, cfg, a, "advisory", nil)
	r.Renderer = accounts{a}
	s := r.Run(t.Context(), nil)
	if s.Sent != 20 || s.Stopped != "" || s.Requests > 20+64 || s.ExitCode() != billing.ExitStopped {
		t.Errorf("%+v, exit %d", s, s.ExitCode())
	}
}

// A run in which all is throttled ends after LINGER.
func TestP8OnlyThrottledRepliesEndTheRun(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 100)
	a := &api{reply: func(billing.Request, int) billing.Reply { return throttledFor(0) }}
	s := runStanding(t, cfg, a, func(c *engine.Config) { c.Linger = time.Second })
	if s.Stopped != billing.StoppedByThrottle || s.Sent != 0 || s.NotBefore == nil {
		t.Errorf("%+v, exit %d", s, s.ExitCode())
	}
}

// What waits for the pace is not claimed: no row of the application's is locked meanwhile.
func TestP8AWaitHoldsNoRow(t *testing.T) {
	t.Parallel()
	for _, idempotent := range []bool{true, false} {
		t.Run(fmt.Sprintf("idempotent_%t", idempotent), func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 60)
			var mu sync.Mutex
			asked, allowed := 0, make(chan struct{})
			a := &api{reply: func(billing.Request, int) billing.Reply {
				select {
				case <-allowed:
					return billing.Reply{Outcome: billing.Accepted, Status: 200}
				default:
				}
				mu.Lock()
				defer mu.Unlock()
				asked++
				return throttledFor(5 * time.Second)
			}}
			r := newRunner(t, cfg, a, "row", func(c *engine.Config) { c.Idempotent, c.Concurrency, c.Linger = idempotent, 4, time.Minute })
			ended := make(chan billing.Summary, 1)
			go func() { ended <- r.Run(t.Context(), nil) }()
			free := func() bool {
				mu.Lock()
				defer mu.Unlock()
				return asked > 0 && query[int](t, cfg, "select count(*) from (select from invoices for update skip locked) free") == 60
			}
			for !free() {
				select {
				case s := <-ended:
					t.Fatalf("the run ended before all rows were free: %+v", s)
				default:
				}
			}
			mu.Lock()
			if asked > 4 {
				t.Errorf("%d requests before it waited", asked)
			}
			mu.Unlock()
			close(allowed)
			if s := <-ended; s.Sent != 60 || s.Throttled == 0 || s.LowestPace == nil || s.ExitCode() != billing.ExitDone {
				t.Errorf("%+v, exit %d", s, s.ExitCode())
			}
		})
	}
}
