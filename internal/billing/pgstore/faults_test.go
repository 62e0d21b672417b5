package pgstore_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// leaveSending leaves n deliveries `sending`, as a sender does that has died.
func leaveSending(t *testing.T, cfg *pgx.ConnConfig, ids ...billing.InvoiceID) {
	t.Helper()
	dead, _ := openStore(t, cfg, "advisory")
	var intents []billing.Intent
	for _, inv := range look(t, dead, ids...) {
		intents = append(intents, bodyIntent(inv))
	}
	if _, err := intend(t.Context(), dead, intents, time.Minute); err != nil {
		t.Fatal(err)
	}
}

func look(t *testing.T, s *pgstore.Store, ids ...billing.InvoiceID) []billing.Invoice {
	t.Helper()
	seen, err := s.Look(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func seeded(t *testing.T, n int) *pgx.ConnConfig {
	t.Helper()
	cfg := newDB(t)
	if err := pgstore.Seed(t.Context(), cfg, n); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func ledger(t *testing.T, cfg *pgx.ConnConfig) string {
	t.Helper()
	return query[string](t, cfg, `select string_agg(invoice_id || ':' || state, ' ' order by invoice_id) from billonce.deliveries where invoice_id <> 1000`)
}

func TestRetriesWithinTheRunUnderOneKey(t *testing.T) {
	t.Parallel()
	for _, outcome := range []billing.Outcome{billing.NotSent, billing.Unknown} {
		t.Run(outcome.String(), func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 10)
			a := api{reply: func(_ billing.Request, n int) billing.Reply {
				if n < 3 {
					return billing.Reply{Outcome: outcome, Reason: "not yet"}
				}
				return billing.Reply{Outcome: billing.Accepted}
			}}
			s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Idempotent, c.Breaker = true, 1000 }).Run(t.Context(), nil)
			if s.Sent != 10 || s.Requests != 30 || s.ExitCode() != 0 || s.Retry != 0 {
				t.Errorf("%+v, exit %d", s, s.ExitCode())
			}
			if len(a.keys) != 10 {
				t.Errorf("%d keys for 10 invoices", len(a.keys))
			}
		})
	}
}

func TestAttemptsOfARunAreBounded(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 4)
	a := api{reply: func(billing.Request, int) billing.Reply { return billing.Reply{Outcome: billing.Unknown} }}
	s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) {
		c.Idempotent, c.Breaker, c.MaxAttempts = true, 1000, 3
	}).Run(t.Context(), nil)
	if s.Requests != 12 || s.Retry != 4 || s.ExitCode() != billing.ExitStopped {
		t.Errorf("%+v, exit %d", s, s.ExitCode())
	}
	// The next run has attempts of its own.
	a.reply = nil
	execute(t, cfg, "update billonce.deliveries set due_at = now()")
	s = newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Idempotent = true }).Run(t.Context(), nil)
	if s.Sent != 4 || s.ExitCode() != 0 {
		t.Errorf("the next run: %+v, exit %d", s, s.ExitCode())
	}
}

func TestBreakerLeavesTheRestUntouched(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1000)
	a := api{reply: func(billing.Request, int) billing.Reply { return billing.Reply{Outcome: billing.NotSent} }}
	s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Breaker = 5 }).Run(t.Context(), nil)
	if s.Stopped != billing.StoppedByBreaker || s.ExitCode() != billing.ExitStopped || s.Requests > 5+16 {
		t.Errorf("%+v, exit %d", s, s.ExitCode())
	}
	if n := query[int64](t, cfg, "select count(*) from billonce.deliveries"); n > 64 {
		t.Errorf("%d deliveries in the ledger after %d requests", n, s.Requests)
	}
}

// Intents are not recorded so far ahead of a slow pace that they grow too old to be sent.
func TestIntentsKeepPaceWithTheRate(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 160)
	var a api
	s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) {
		c.Idempotent, c.Concurrency, c.Rate, c.Breaker = true, 64, 20, 1000
		c.KeyTTL = c.Timeout + 80*time.Second // an intent lives for four seconds
	}).Run(t.Context(), nil)
	if asked := len(a.requests); s.Sent != 160 || asked != 160 {
		t.Errorf("%d requests, summary %+v", asked, s)
	}
	if n := query[int](t, cfg, "select count(*) from billonce.history"); n > 40 {
		t.Errorf("%d intents of 160 grew too old", n)
	}
}

// An API that refuses us refuses every invoice: the run stops before all of them are
// `failed`. One that has accepted something looks at each, and goes on being asked.
func TestBreakerCountsUniformRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first   billing.Outcome
		stopped billing.StopReason
	}{"all refused": {billing.Refused, billing.StoppedByBreaker}, "one accepted": {billing.Accepted, ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 1000)
			var asked atomic.Bool
			a := api{reply: func(billing.Request, int) billing.Reply {
				if !asked.Swap(true) {
					return billing.Reply{Outcome: c.first, Status: 422}
				}
				return billing.Reply{Outcome: billing.Refused, Status: 422}
			}}
			s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Breaker, c.Concurrency = 5, 1 }).Run(t.Context(), nil)
			if s.Stopped != c.stopped || (s.Failed < 900) != (c.stopped != "") {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A recovered delivery whose key is too old, or whose body has changed, is not
// sent again.
func TestRecoveryNeverGuesses(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	leaveSending(t, cfg, "1", "2", "3")
	execute(t, cfg, `update billonce.deliveries set deadline_at = now() - interval '1 s';
		update billonce.deliveries set first_sent_at = now() - interval '23 h 45 min' where invoice_id = 1;
		update invoices set amount_cents = amount_cents + 1 where id = 2`)
	var a api
	s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Idempotent = true }).Run(t.Context(), nil)
	if got, want := ledger(t, cfg), "1:in_doubt 2:in_doubt 3:sent"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if s.InDoubt != 2 || s.Requests != 1 || s.ExitCode() != billing.ExitPerson {
		t.Errorf("%+v, exit %d", s, s.ExitCode())
	}
}

func TestLookUpDecides(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	leaveSending(t, cfg, "1", "2", "3")
	believed(t, cfg)
	a := api{finding: map[billing.InvoiceID]billing.Finding{"1": billing.Acted, "2": billing.Absent}}
	withLookup := func(c *engine.Config) { c.HasLookup, c.Linger = true, 0 }
	s := newRunner(t, cfg, &a, "advisory", withLookup).Run(t.Context(), nil)
	if got, want := ledger(t, cfg), "1:sending 2:sending 3:sending"; got != want || s.ExitCode() != billing.ExitStopped || s.Requests != 0 {
		t.Errorf("before the requests' deadline: %s, %+v, exit %d", got, s, s.ExitCode())
	}
	execute(t, cfg, "update billonce.deliveries set deadline_at = now() - interval '1 s'")
	r := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.HasLookup = true })
	s = r.Run(t.Context(), nil)
	if n := r.Tally.Retry.Load(); n != 0 {
		t.Errorf("%d are to be tried again, though nothing is left", n)
	}
	if got, want := ledger(t, cfg), "1:sent 2:sent 3:in_doubt"; got != want || s.ExitCode() != billing.ExitPerson {
		t.Errorf("%s, want %s; %+v, exit %d", got, want, s, s.ExitCode())
	}
	if a.requests["1"] != 0 || a.requests["2"] != 1 || a.requests["3"] != 0 {
		t.Errorf("requests: %v", a.requests)
	}
}

// What a look-up could not decide is asked again by each later run, and nothing
// but its answer moves it: no request is made on a guess, and the evidence stays.
func TestLaterRunsReconcileWhatIsInDoubt(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 4)
	leaveSending(t, cfg, "1", "2", "3", "4")
	execute(t, cfg, `update billonce.deliveries set state = 'in_doubt', error = 'as seen then', deadline_at = now() - interval '1 s';
		update billonce.deliveries set deadline_at = now() + interval '1 h' where invoice_id = 4`)
	a := api{finding: map[billing.InvoiceID]billing.Finding{"1": billing.Acted, "2": billing.Absent, "4": billing.Acted}}
	s := newRunner(t, cfg, &a, "advisory", nil).Run(t.Context(), nil)
	if got, want := ledger(t, cfg), "1:in_doubt 2:in_doubt 3:in_doubt 4:in_doubt"; got != want || s.EarlierInDoubt != 4 || s.ExitCode() != billing.ExitPerson {
		t.Errorf("without a look-up: %s, %+v", got, s)
	}
	believed(t, cfg)
	s = newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.HasLookup = true }).Run(t.Context(), nil)
	if got, want := ledger(t, cfg), "1:sent 2:sent 3:in_doubt 4:in_doubt"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if s.Sent != 2 || s.InDoubt != 0 || s.EarlierInDoubt != 2 || s.ExitCode() != billing.ExitPerson || len(a.requests) != 1 || a.requests["2"] != 1 {
		t.Errorf("%+v, requests %v", s, a.requests)
	}
	if n := query[int64](t, cfg, "select count(*) from billonce.deliveries where error = 'as seen then'"); n != 2 {
		t.Errorf("the evidence of %d deliveries stands, want 2", n)
	}
}

// An effect that stays unknown waits for its request's own deadline before it is
// looked up, and holds no slot and no claim meanwhile.
func TestUnknownWaitsForItsLookUp(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	a := api{
		reply: func(billing.Request, int) billing.Reply {
			return billing.Reply{Outcome: billing.Unknown, Reason: "reset"}
		},
		finding: map[billing.InvoiceID]billing.Finding{"1": billing.Acted},
	}
	believed(t, cfg)
	s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.HasLookup, c.Linger = true, 0 }).Run(t.Context(), nil)
	if got := ledger(t, cfg); got != "1:sending" || s.ExitCode() != billing.ExitStopped {
		t.Errorf("%s, exit %d", got, s.ExitCode())
	}
	execute(t, cfg, "update billonce.deliveries set deadline_at = now() - interval '1 s'")
	s = newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.HasLookup = true }).Run(t.Context(), nil)
	if got := ledger(t, cfg); got != "1:sent" || s.Sent != 1 || a.requests["1"] != 1 {
		t.Errorf("%s, %+v, %d requests", got, s, a.requests["1"])
	}
}

func TestPendingAgainIsNotSentTwice(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	var a api
	newRunner(t, cfg, &a, "advisory", nil).Run(t.Context(), nil)
	execute(t, cfg, "update invoices set pending = true where id <= 2")
	s := newRunner(t, cfg, &a, "row", nil).Run(t.Context(), nil)
	if s.AlreadySent != 2 || s.Requests != 0 || s.ExitCode() != billing.ExitPerson { // P11: a person is told until one has decided
		t.Errorf("%+v, exit %d", s, s.ExitCode())
	}
}

func TestRunLimitCountsRequests(t *testing.T) {
	t.Parallel()
	for _, idempotent := range []bool{true, false} {
		cfg := seeded(t, 300)
		var a api
		s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Limit, c.Idempotent = 120, idempotent }).Run(t.Context(), nil)
		if s.Requests != 120 || s.Sent != 120 || s.ExitCode() != 0 || s.Stopped != billing.StoppedByLimit {
			t.Errorf("%+v, exit %d", s, s.ExitCode())
		}
	}
}

// A canary's pass sees the head of the table alone: what earlier runs left behind it is
// reconciled and counted all the same, once.
func TestCanarysPassIsNotTheWholeTable(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int{"the rest": 0, "up to a limit": 7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 8)
			leaveSending(t, cfg, "6", "7", "8")
			execute(t, cfg, `update billonce.deliveries set state = 'in_doubt', deadline_at = now() - interval '1 s' where invoice_id <> 8;
				update billonce.deliveries set state = 'sent' where invoice_id = 8`)
			believed(t, cfg)
			a := api{finding: map[billing.InvoiceID]billing.Finding{"6": billing.Acted}}
			s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.HasLookup, c.Canary, c.Limit = true, 2, limit }).Run(t.Context(), nil)
			if got, want := ledger(t, cfg), "1:sent 2:sent 3:sent 4:sent 5:sent 6:sent 7:in_doubt 8:sent"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if s.EarlierInDoubt != 1 || s.AlreadySent != 1 || s.Requests != 5 || s.ExitCode() != billing.ExitPerson {
				t.Errorf("%+v, exit %d", s, s.ExitCode())
			}
		})
	}
}

// meddler does something between a scan and the claim's locks.
type meddler struct {
	engine.Claimer
	do func()
}

func (m meddler) Claim(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error) {
	m.do()
	return m.Claimer.Claim(ctx, candidates)
}

// Another run tried the invoice after our scan and before our lock, and died while it
// waited: it is not forgotten, but waited for, and left to the next run in the end.
func TestRetryOfAnotherRunSinceTheScanIsWaitedFor(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	r := newRunner(t, cfg, &api{}, "advisory", func(c *engine.Config) { c.Linger = 0 })
	newClaimer, once := r.NewClaimer, sync.Once{}
	r.NewClaimer = func() engine.Claimer {
		return meddler{newClaimer(), func() {
			once.Do(func() {
				leaveSending(t, cfg, "1")
				execute(t, cfg, "update billonce.deliveries set state = 'retry', due_at = now() + interval '1 h'")
			})
		}}
	}
	if s := r.Run(t.Context(), nil); s.Retry != 1 || s.ExitCode() != billing.ExitStopped {
		t.Errorf("%+v, exit %d", s, s.ExitCode())
	}
}

// brokenRenderer makes a request of no invoice.
type brokenRenderer struct{}

func (brokenRenderer) Render(billing.Invoice) (billing.Request, error) {
	return billing.Request{}, errors.New("column customer is NULL")
}

// Its row can't be rendered any more when a delivery is recovered: it could be neither
// repeated nor looked up by any run, nor resolved by a person while it is `sending`.
// So it comes into doubt; what was never sent stays pending.
func TestRecoveredThatCantBeRenderedComesIntoDoubt(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*engine.Config){
		"with keys":   func(c *engine.Config) { c.Idempotent = true },
		"without":     func(*engine.Config) {},
		"with lookup": func(c *engine.Config) { c.HasLookup = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 4)
			leaveSending(t, cfg, "1", "2", "3")
			execute(t, cfg, `update billonce.deliveries set deadline_at = now() - interval '1 s';
				update billonce.deliveries set state = 'retry', doubtful = true, due_at = now() where invoice_id = 2;
				update billonce.deliveries set state = 'in_doubt', error = 'as seen then' where invoice_id = 3`)
			r := newRunner(t, cfg, &api{}, "advisory", change)
			r.Renderer = brokenRenderer{}
			s := r.Run(t.Context(), nil)
			if got, want := ledger(t, cfg), "1:in_doubt 2:in_doubt 3:in_doubt"; got != want || s.ExitCode() != billing.ExitPerson {
				t.Errorf("%s, want %s; exit %d", got, want, s.ExitCode())
			}
			if s.InDoubt != 2 || s.EarlierInDoubt != 1 || s.Unrendered != 1 || s.Requests != 0 {
				t.Errorf("%+v", s)
			}
			if n := query[int](t, cfg, "select count(*) from billonce.deliveries where error like '%and its request can''t be built now: column customer is NULL'"); n != 2 {
				t.Errorf("%d deliveries say why, want 2", n)
			}
		})
	}
}

// slowLookUp is an API whose look-ups take so long that something happens meanwhile.
type slowLookUp struct {
	*api
	meanwhile func()
}

func (s slowLookUp) LookUp(ctx context.Context, m billing.Request) billing.Found {
	if m.InvoiceID == "1" {
		s.meanwhile()
	}
	return s.api.LookUp(ctx, m)
}

// What is claimed together with a delivery that is looked up is looked at again after
// that: look-ups may take as long as requests.
func TestWhatIsTakenBackDuringALookUpIsNotSent(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	leaveSending(t, cfg, "1", "2", "3")
	execute(t, cfg, `update billonce.deliveries set deadline_at = now() - interval '1 s';
		update billonce.deliveries set state = 'retry', due_at = now() where invoice_id > 1`)
	believed(t, cfg)
	a := &api{}
	r := newRunner(t, cfg, a, "advisory", func(c *engine.Config) { c.HasLookup = true })
	r.LookUp = slowLookUp{a, func() { execute(t, cfg, "update invoices set pending = false where id = 2") }}
	s := r.Run(t.Context(), nil)
	if a.requests["2"] != 0 || a.requests["3"] != 1 || s.Sent != 1 || s.InDoubt != 1 || s.EarlierInDoubt != 0 {
		t.Errorf("requests %v, %+v", a.requests, s)
	}
}

// hangingSender answers the first invoice with an error once the second one hangs.
type hangingSender struct {
	hangs, gaveUp chan struct{}
}

func (s hangingSender) Send(ctx context.Context, m billing.Request, permit func() error) billing.Reply {
	if err := permit(); err != nil {
		return billing.Reply{Outcome: billing.NotSent, NotAsked: true}
	}
	if m.InvoiceID == "1" {
		<-s.hangs
		return billing.Reply{Reason: "HTTP 500"}
	}
	close(s.hangs)
	select {
	case <-ctx.Done():
		close(s.gaveUp)
	case <-time.After(time.Minute): // its BILLING_TIMEOUT
	}
	return billing.Reply{Reason: "no reply"}
}

// says closes heard when the log holds some words.
type says struct {
	words string
	heard chan struct{}
	once  sync.Once
}

func (s *says) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(s.words)) {
		s.once.Do(func() { close(s.heard) })
	}
	return len(line), nil
}

// A run that stops for a reason of its own drains within DRAIN_TIMEOUT all the same
// once it is told to by a signal.
func TestSignalBoundsTheDrainOfARunThatStopsAlready(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	sender, stopping := hangingSender{make(chan struct{}), make(chan struct{})}, &says{words: "stopping: nothing new", heard: make(chan struct{})}
	r := newRunner(t, cfg, &api{}, "advisory", func(c *engine.Config) { c.Breaker, c.Drain = 1, time.Millisecond })
	r.Sender, r.Log = sender, zerolog.New(stopping)
	ctx, signal := context.WithCancel(t.Context())
	defer signal()
	go func() {
		<-stopping.heard
		signal()
	}()
	if s := r.Run(ctx, nil); s.Stopped != billing.StoppedByBreaker || s.InDoubt != 2 {
		t.Errorf("%+v", s)
	}
	select {
	case <-sender.gaveUp:
	default:
		t.Error("the request in flight was not given up")
	}
}

// An attempt whose request was never started counts for nothing: neither for RUN_LIMIT
// nor for the canary.
func TestWhatWasNeverAskedCountsForNothing(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 9)
	a := &api{reply: func(m billing.Request, n int) billing.Reply {
		if n == 1 && (m.InvoiceID == "1" || m.InvoiceID == "2") {
			return billing.Reply{NotAsked: true, Outcome: billing.NotSent}
		}
		return billing.Reply{Outcome: billing.Accepted, Status: 200}
	}}
	s := newRunner(t, cfg, a, "advisory", func(c *engine.Config) { c.Limit, c.Canary = 5, 3 }).Run(t.Context(), nil)
	if s.Sent != 5 || s.Stopped != billing.StoppedByLimit {
		t.Errorf("%d were sent, stopped by %q, want 5 by the limit", s.Sent, s.Stopped)
	}
}

// waiting is a lock strategy that comes to nothing until claiming ends.
type waiting struct{ unlocked }

func (waiting) Claim(ctx context.Context, _ []billing.Candidate) (*billing.Claimed, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// One lane's error stops the others at once.
func TestOneErrorStopsAll(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 900)
	r := newRunner(t, cfg, &api{}, "advisory", nil)
	broken := errors.New("broken")
	var lanes atomic.Int32
	r.NewClaimer = func() engine.Claimer {
		if lanes.Add(1) == 2 {
			return unlocked{broken}
		}
		return waiting{}
	}
	s := r.Run(t.Context(), nil)
	if !errors.Is(s.Err, broken) || s.ExitCode() != billing.ExitError {
		t.Errorf("exit %d, %v", s.ExitCode(), s.Err)
	}
}
