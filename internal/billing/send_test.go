package billing

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

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
		change func(r *Runner, claim *Claim, a *attempt)
		want   string
	}{
		"all is well":     {func(*Runner, *Claim, *attempt) {}, ""},
		"run lock lost":   {func(r *Runner, _ *Claim, _ *attempt) { r.lock = keep(&fakeLock{lost: closed()}) }, "request not started: the run lock is lost"},
		"claim lost":      {func(_ *Runner, c *Claim, _ *attempt) { c.Lost = closed() }, "request not started: the claim's connection is lost"},
		"stopping":        {func(r *Runner, _ *Claim, _ *attempt) { r.stop.stop(StoppedBySignal, nil) }, "request not started: the run is stopping"},
		"intent too old":  {func(_ *Runner, _ *Claim, a *attempt) { a.sendBy = time.Now().Add(-time.Second) }, "request not started: its intent has grown too old"},
		"limit is no end": {func(r *Runner, _ *Claim, _ *attempt) { r.budget = newBudget(0, 0) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &Runner{stop: newStopper(), lock: keep(nil)}
			claim := &Claim{Lost: make(chan struct{})}
			a := &attempt{delivering: &delivering{runner: r, claim: claim}, sendBy: time.Now().Add(time.Hour)}
			c.change(r, claim, a)
			got := ""
			if err := a.permit(); err != nil {
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
	r := &Runner{Config: Config{RunID: uuid.New()}}
	a := &attempt{
		delivering: &delivering{runner: r},
		intent:     Intent{InvoiceID: "7", Attempt: 3, RunAttempt: 2},
	}
	s := a.settlement(Reply{NotAsked: true, Outcome: NotSent})
	if s.State != Retry || s.Attempt != 3 || s.RunAttempt != 1 || s.Doubtful || s.RetryIn != 0 {
		t.Errorf("settlement %+v", s)
	}
}

func TestSettlementOfUnknownIsDoubtful(t *testing.T) {
	t.Parallel()
	r := &Runner{Config: Config{RunID: uuid.New(), Idempotent: true, KeyTTL: testTTL, MaxAttempts: 5}}
	a := &attempt{delivering: &delivering{runner: r}, intent: Intent{InvoiceID: "7", Attempt: 1, RunAttempt: 1}}
	s := a.settlement(Reply{Outcome: Unknown, RetryAfter: 7 * time.Second})
	if s.State != Retry || !s.Doubtful || s.RetryIn < 7*time.Second {
		t.Errorf("idempotent: %+v", s)
	}
	r.Idempotent = false
	if s = a.settlement(Reply{Outcome: Unknown, Reason: "HTTP 500"}); s.State != InDoubt || !s.Doubtful || s.Reason == "" {
		t.Errorf("not idempotent: %+v", s)
	}
	if s = a.settlement(Reply{Outcome: NotSent}); s.State != Retry || s.Doubtful {
		t.Errorf("not sent: %+v", s)
	}
}

// What was seen as an orphan's attempt may have been taken over since: only the
// very attempt whose locks were found free is recovered.
func TestRecoveryIsOfTheAttemptThatWasFound(t *testing.T) {
	t.Parallel()
	d := &delivering{
		runner: &Runner{}, pass: &pass{},
		claim: &Claim{Recoverable: map[InvoiceID]int{"7": 1}},
	}
	if !d.mayTry("7", &Delivery{State: Sending, Attempt: 1}) {
		t.Error("the orphan's attempt is not recovered")
	}
	if d.mayTry("7", &Delivery{State: Sending, Attempt: 2}) || d.mayTry("8", &Delivery{State: Sending, Attempt: 1}) {
		t.Error("a live attempt would be taken over")
	}
	if d.pass.left.Held != 2 {
		t.Errorf("%d held, want 2", d.pass.left.Held)
	}
}

// A request under a key that was judged young arrives before the API forgets it.
func TestKeysMarginCoversTheIntentsLife(t *testing.T) {
	t.Parallel()
	for ttl := time.Minute; ttl < 400*24*time.Hour; ttl *= 2 {
		for timeout := time.Second; timeout < ttl; timeout *= 2 {
			r := &Runner{Config: Config{Idempotent: true, KeyTTL: ttl, Timeout: timeout}}
			oldest := time.Duration(0)
			for age := time.Duration(0); age < ttl; age += ttl / 1000 {
				if KeyAlive(age, r.keyTTL()) {
					oldest = age
				}
			}
			if arrives := oldest + r.intentLife() + timeout; arrives > ttl && oldest > 0 {
				t.Errorf("TTL %s, time-out %s: a request may arrive when its key is %s old", ttl, timeout, arrives)
			}
		}
	}
}
