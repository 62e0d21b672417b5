package engine

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

const testTTL = 24 * time.Hour

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// P5: the permit is asked immediately before the first byte; whatever ends the
// right to send withdraws it, however late it is noticed.
func TestP5PermitIsWithdrawn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(s *sender, a *attempt)
		want   string
	}{
		"all is well":    {func(*sender, *attempt) {}, ""},
		"run lock lost":  {func(s *sender, _ *attempt) { s.lock.lock = &fakeLock{lost: closed()} }, "request not started: the run lock is lost"},
		"claim lost":     {func(_ *sender, a *attempt) { a.claim.Lost = closed() }, "request not started: the claim's connection is lost"},
		"stopping":       {func(s *sender, _ *attempt) { s.stop.stop(billing.StoppedBySignal, nil) }, "request not started: the run is stopping"},
		"intent too old": {func(_ *sender, a *attempt) { a.sendBy = time.Now().Add(-time.Second) }, "request not started: its intent has grown too old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stop := newStopper(zerolog.Nop())
			s := &sender{stop: stop, lock: newKeeping(nil, stop, zerolog.Nop())}
			a := &attempt{claim: &claim{Claimed: &billing.Claimed{Lost: make(chan struct{})}}, sendBy: time.Now().Add(time.Hour)}
			c.change(s, a)
			got := ""
			if err := s.permit(a); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("permit: %q, want %q", got, c.want)
			}
		})
	}
}

// An attempt that was never made leaves the delivery as it was but for its
// number: no attempt of the run is used up, and no doubt arises.
func TestUnaskedAttemptCostsNothing(t *testing.T) {
	t.Parallel()
	stop := newStopper(zerolog.Nop())
	s := &sender{runID: uuid.New(), tally: &billing.Tally{}, pace: newPace(Config{}, stop, zerolog.Nop()), port: answer{NotAsked: true, Outcome: billing.NotSent}}
	a := &attempt{claim: &claim{}, step: &step{intent: billing.Intent{InvoiceID: "7", Attempt: 3, RunAttempt: 2}}}
	came := s.send(t.Context(), a)
	if came.State != billing.Retry || came.Attempt != 3 || came.RunAttempt != 1 || came.Doubtful || came.RetryIn != 0 {
		t.Errorf("settlement %+v", came)
	}
	if requests, unasked := s.tally.Requests.Load(), s.tally.NotAsked.Load(); requests != 0 || unasked != 1 {
		t.Errorf("%d requests and %d unasked, want 0 and 1", requests, unasked)
	}
}

func TestSettlementOfUnknownIsDoubtful(t *testing.T) {
	t.Parallel()
	s := &sender{runID: uuid.New(), known: billing.Known{Idempotent: true, KeyTTL: testTTL}, maxAttempts: 5}
	a := &attempt{step: &step{intent: billing.Intent{InvoiceID: "7", Attempt: 1, RunAttempt: 1}}}
	came := s.settlement(a, billing.Reply{Outcome: billing.Unknown, RetryAfter: 7 * time.Second})
	if came.State != billing.Retry || !came.Doubtful || came.RetryIn < 7*time.Second {
		t.Errorf("idempotent: %+v", came)
	}
	s.known.Idempotent = false
	if came = s.settlement(a, billing.Reply{Outcome: billing.Unknown, Reason: "HTTP 500"}); came.State != billing.InDoubt || !came.Doubtful || came.Reason == "" {
		t.Errorf("not idempotent: %+v", came)
	}
	if came = s.settlement(a, billing.Reply{Outcome: billing.NotSent}); came.State != billing.Retry || came.Doubtful {
		t.Errorf("not sent: %+v", came)
	}
}

// answer replies always the same.
type answer billing.Reply

func (a answer) Send(context.Context, billing.Request, func() error) billing.Reply {
	return billing.Reply(a)
}

// Once its sender has heard of it, a request's deadline is its own; but what was taken over
// may still have a sender that lives.
func TestDeadlineIsTheRequestsOwn(t *testing.T) {
	t.Parallel()
	s := &sender{timeout: 10 * time.Second}
	for name, c := range map[string]struct {
		seen     *billing.Delivery
		ago      time.Duration
		from, to time.Duration
	}{
		"just begun":      {nil, 0, 10 * time.Second, 11 * time.Second},
		"long begun":      {nil, time.Minute, time.Millisecond, time.Millisecond},
		"a retry":         {&billing.Delivery{State: billing.Retry, DeadlineIn: -time.Hour}, 0, 10 * time.Second, 11 * time.Second},
		"taken over":      {&billing.Delivery{State: billing.Sending, DeadlineIn: 2 * time.Minute}, 0, 119 * time.Second, 2 * time.Minute},
		"taken over late": {&billing.Delivery{State: billing.Sending, DeadlineIn: -time.Second}, 0, 10 * time.Second, 11 * time.Second},
	} {
		now := time.Now()
		a := &attempt{step: &step{intent: billing.Intent{Seen: c.seen}}, committed: now}
		if got := s.arrivesIn(a, now.Add(-c.ago)); got < c.from || got > c.to {
			t.Errorf("%s: %s", name, got)
		}
	}
}
