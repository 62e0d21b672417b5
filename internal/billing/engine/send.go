package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/failpoint"
)

// sender makes attempts, each of its loops one at a time.
type sender struct {
	port    Sender
	keeper  Keeper // nil: nothing is kept for a repeat
	queue   *queue
	hand    *hand
	flight  *inFlight
	settler *settler
	tally   *billing.Tally
	// troubles is told of what is odd.
	troubles *troubles
	// right is waited for where attempts hold no slots; nil: who holds one has it.
	right    *right
	turn     sync.Mutex // held by the loop that waits for the right
	stop     *stopper
	lock     *keeping
	failover *failover
	pace     *pace
	heard    *heard
	breaker  *breaker
	proof    *proof        // nil: there is no look-up
	overdue  time.Duration // BILLING_SUBMITTED_FOR
	timeout  time.Duration // BILLING_TIMEOUT

	known       billing.Known
	runID       uuid.UUID
	maxAttempts int
}

// loop sends until the queue is closed and empty. Nothing new is begun once claiming
// has ended; what is in flight is given up once sending has.
func (s *sender) loop(claiming, sending context.Context) {
	for a, may := s.next(claiming); a != nil; a, may = s.next(claiming) {
		var came billing.Settlement
		if may {
			came = s.send(sending, a)
		} else {
			came = s.unasked(a)
		}
		s.flight.end()
		s.hand.give(size(a.request))
		a.request.Body = nil // the rest of its group may be sent much later
		s.settler.settle(ended{settlement: came, claim: a.claim, slot: s.right == nil})
	}
}

// next is the next attempt, nil at the end, and whether it may be made. Where
// attempts hold no slots, one loop at a time waits for the right to send, and takes
// its attempt then: so what is not sent yet waits in the queue alone, however slow the
// pace, and is given back where it has grown old there.
func (s *sender) next(ctx context.Context) (a *attempt, may bool) {
	if s.right == nil {
		return s.queue.take(), true
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	// What is given back takes no right: a whole queue of it would use up the pace.
	may = s.queue.await() && !s.mustWait(s.queue.first()) && s.right.await(ctx)
	a = s.queue.take()
	if may && s.mustWait(a) {
		s.pace.giveBack(1)
		may = false
	}
	return a, may
}

// mustWait says that an attempt is to be given back: it has waited too long for a run that
// is held back, or the API is to be asked elsewhere in the book first.
func (s *sender) mustWait(a *attempt) bool {
	return s.pace.limited() && time.Since(a.committed) > queuedMost || s.pace.probing() && !a.claim.alone
}

// send makes the attempt, and says what came of it.
func (s *sender) send(ctx context.Context, a *attempt) billing.Settlement {
	failpoint.Hit("before_send")
	began := time.Now()
	reply := s.port.Send(ctx, a.request, func() error { return s.permit(a) })
	failpoint.Hit("after_reply")
	if reply.NotAsked {
		s.pace.giveBack(1)
		return s.unasked(a)
	}
	s.tally.Requests.Add(1)
	if s.proof != nil && reply.Outcome.IsGood() {
		s.proof.own.add(a.intent.InvoiceID, a.intent.LookupSHA256)
	}
	s.heard.heed(reply)
	s.troubles.odd(a.intent.InvoiceID, reply.Odd)
	s.pace.heed(a.request, asking{began: began, elsewhere: a.claim.alone, throttled: a.intent.Seen.WasThrottled()}, reply)
	came := s.settlement(a, s.breaker.heed(reply, a.intent.Attempt == a.intent.RunAttempt))
	switch came.State {
	case billing.Sending, billing.Retry, billing.InDoubt:
		came.ArrivesIn = s.arrivesIn(a, began)
	}
	return came
}

// arrivesIn is how long a request that began then can be on its way: its own deadline, or
// that of what was taken over, whose sender may live.
func (s *sender) arrivesIn(a *attempt, began time.Time) time.Duration {
	left := time.Until(began.Add(s.timeout + deadlineMargin))
	if seen := a.intent.Seen; seen != nil {
		left = max(left, seen.DeadlineIn-time.Since(a.committed))
	}
	return max(left, time.Millisecond)
}

// permit is asked immediately before the first byte of the request: the locks
// must be known to live, and the intent not too old.
func (s *sender) permit(a *attempt) error {
	switch {
	case s.lock.lost():
		return newAttemptError("the run lock is lost")
	case a.claim.lost():
		return newAttemptError("the claim's connection is lost")
	case s.failover.halts():
		return newAttemptError("the database was failed over")
	case s.stop.stopped():
		return newAttemptError("the run is stopping")
	case tooLate(a.sendBy):
		return newAttemptError("its intent has grown too old")
	}
	return nil
}

// newAttemptError names what kept a request from being written.
func newAttemptError(why string) error { return fmt.Errorf("request not started: %s", why) }

// settlement decides what a reply means.
func (s *sender) settlement(a *attempt, reply billing.Reply) billing.Settlement {
	known := s.known
	known.Outcome, known.KeyReused, known.Doubtful = reply.Outcome, reply.KeyReused, a.request.Repeat
	known.KeyAge, known.AttemptsLeft = a.key.Age(time.Now()), reply.Replaced || a.intent.RunAttempt < s.maxAttempts
	decision := billing.Decide(known)
	came := s.base(a)
	came.State, came.Final, came.Status, came.Reason, came.Answer = decision.Next, decision.Final, reply.Status, reply.Reason, reply.Answer
	came.Doubtful = a.request.Repeat || mayHaveActed(reply)
	came.KeyUse = keyUse(reply)
	if s.keeper != nil && known.Idempotent && mayHaveActed(reply) {
		came.Kept = s.keeper.Keep(a.source)
	}
	if came.State == billing.InDoubt && came.Reason != "" {
		came.Reason = decision.Reason + "; seen: " + came.Reason
	}
	switch {
	case came.State == billing.Retry && reply.Replaced:
		came.RunAttempt-- // the next one has another credential
	case came.State == billing.SubmittedState:
		came.RetryIn = billing.SubmittedNext(reply.RetryAfter, s.overdue)
	case came.State == billing.Retry:
		came.RetryIn = max(reply.RetryAfter, backoff(a.intent.RunAttempt))
	}
	if reply.Outcome == billing.Throttled {
		came.RunAttempt-- // it is none
	}
	return came
}

// mayHaveActed says that the request may have had its effect. A rule may say of a 5xx that
// nothing came of it, where there are keys: a repeat is held to be one all the same.
func mayHaveActed(reply billing.Reply) bool {
	return reply.Outcome == billing.Unknown ||
		reply.Status >= 500 && (reply.Outcome == billing.NotSent || reply.Outcome == billing.Throttled)
}

// keyUse is what a reply says of the key. A 401 is sure not to have had an effect, but was
// asked for under it.
func keyUse(reply billing.Reply) billing.KeyUse {
	switch {
	case mayHaveActed(reply):
		return billing.KeyDoubted
	case reply.Outcome == billing.NotSent && reply.Status == 0:
		return billing.KeyUnused
	}
	return billing.KeyAnswered
}

// unasked gives an intent back whose request was never begun.
func (s *sender) unasked(a *attempt) billing.Settlement {
	s.tally.NotAsked.Add(1)
	a.claim.unasked.Add(1)
	came := s.base(a)
	came.State, came.RunAttempt, came.Doubtful = billing.Retry, came.RunAttempt-1, a.request.Repeat
	return came
}

func (s *sender) base(a *attempt) billing.Settlement {
	return billing.Settlement{
		InvoiceID: a.intent.InvoiceID, RunID: s.runID,
		Attempt: a.intent.Attempt, RunAttempt: a.intent.RunAttempt,
	}
}
