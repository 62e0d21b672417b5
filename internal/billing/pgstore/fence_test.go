package pgstore_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// unlocked is a lock strategy that locks nothing, or fails.
type unlocked struct{ err error }

func (u unlocked) Claim(_ context.Context, candidates []billing.Candidate) (*billing.Claimed, error) {
	claim := &billing.Claimed{Release: func(context.Context) error { return nil }}
	for _, c := range candidates {
		claim.IDs = append(claim.IDs, c.ID)
	}
	return claim, u.err
}

func (unlocked) Close(context.Context) error { return nil }

// meetingLedger has runners record their first intents at the same moment.
type meetingLedger struct {
	engine.Ledger
	meet func()
}

func (m meetingLedger) Commit(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (billing.Committed, error) {
	if len(begin) > 0 {
		m.meet()
	}
	return m.Ledger.Commit(ctx, begin, end)
}

// P1: with locks that lock nothing, and two runners that have looked at the same
// invoices, the ledger's primary key lets one of them through.
func TestP1FenceHoldsWithoutLocks(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 300)
	var a api
	var met, runs sync.WaitGroup
	met.Add(2)
	for range 2 {
		r := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Idempotent, c.Linger = true, 0 })
		r.NewClaimer = func() engine.Claimer { return unlocked{} }
		var first sync.Once
		r.Ledger = meetingLedger{r.Ledger, func() { first.Do(func() { met.Done(); met.Wait() }) }}
		runs.Go(func() { r.Run(t.Context(), nil) })
	}
	runs.Wait()
	twice := 0
	for _, n := range a.requests {
		if n > 1 {
			twice++
		}
	}
	if twice > 0 || len(a.requests) != 300 {
		t.Errorf("%d of %d invoices were sent more than once", twice, len(a.requests))
	}
}

// P1: one invoice of a group that another run has begun costs that one, not the group.
func TestP1FenceHoldsOneOfAGroup(t *testing.T) {
	t.Parallel()
	for way, pooled := range map[string]bool{"direct": false, "pooler": true} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 3)
			theirs, _ := openStore(t, cfg, "advisory")
			sending(t, theirs, "2")
			c := pgstore.Config{Conn: cfg, Pooled: pooled, Book: book.Demo(), RunID: uuid.New(), Strategy: "advisory", LongestRequest: time.Second, Row: true}
			if pooled {
				var err error
				if c.Conn, err = pgstore.ParseURL(pgtest.PgBouncer(t, cfg.ConnString(), "transaction"), "test"); err != nil {
					t.Fatal(err)
				}
			}
			s, err := pgstore.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close(context.Background()) })
			ours, err := intend(t.Context(), s, []billing.Intent{newIntent("1"), newIntent("2"), newIntent("3")}, time.Minute)
			if _, taken := ours["2"]; err != nil || taken || len(ours) != 2 {
				t.Errorf("ours: %v (%v), want 1 and 3", ours, err)
			}
			if n := query[int](t, cfg, "select count(*) from billonce.deliveries where run_id = $1", c.RunID); n != 2 {
				t.Errorf("%d deliveries are ours, want 2", n)
			}
			came, err := settlingOf(s)(t.Context(), []billing.Settlement{sent(c.RunID, "1"), sent(c.RunID, "2"), sent(c.RunID, "3")})
			want := []billing.Settled{billing.SettledFully, billing.SettledByAnother, billing.SettledFully}
			if err != nil || !slices.Equal(came, want) {
				t.Errorf("settled: %v (%v), want %v", came, err, want)
			}
		})
	}
}

// What could not be locked is not sent.
func TestFailedClaimSendsNothing(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 10)
	var a api
	r := newRunner(t, cfg, &a, "advisory", nil)
	r.NewClaimer = func() engine.Claimer { return unlocked{errors.New("no locks today")} }
	s := r.Run(t.Context(), nil)
	if s.Requests != 0 || s.ExitCode() != billing.ExitError || s.Err == nil {
		t.Errorf("%d requests without a lock; exit %d, %v", s.Requests, s.ExitCode(), s.Err)
	}
}

// watchedClaimer tells when the first of its claims is released.
type watchedClaimer struct {
	engine.Claimer
	released func()
}

func (w watchedClaimer) Claim(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error) {
	claim, err := w.Claimer.Claim(ctx, candidates)
	if err == nil {
		release := claim.Release
		claim.Release = func(ctx context.Context) error {
			w.released()
			return release(ctx)
		}
	}
	return claim, err
}

// An invoice's lock is held while its request is in flight.
func TestLocksOutliveTheRequests(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 4)
			released := make(chan struct{})
			a := api{reply: func(billing.Request, int) billing.Reply {
				select {
				case <-released:
					t.Error("a claim was released with a request in flight")
				case <-time.After(300 * time.Millisecond): // an API takes its time
				}
				return billing.Reply{Outcome: billing.Accepted}
			}}
			r := newRunner(t, cfg, &a, strategy, func(c *engine.Config) { c.Idempotent = true })
			newClaimer, once := r.NewClaimer, sync.Once{}
			r.NewClaimer = func() engine.Claimer {
				return watchedClaimer{newClaimer(), func() { once.Do(func() { close(released) }) }}
			}
			if s := r.Run(t.Context(), nil); s.Sent != 4 {
				t.Errorf("summary %+v", s)
			}
		})
	}
}
