package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"billonce/internal/billing"
	"billonce/internal/failpoint"
)

// sender makes attempts, each of its loops one at a time.
type sender struct {
	port    Sender
	queue   *queue
	hand    *hand
	flight  *inFlight
	settler *settler
	tally   *billing.Tally
	// troubles is told of what is odd.
	troubles *troubles
	// right is waited for where attempts hold no slots; nil: who holds one has it.
	right   *right
	turn    sync.Mutex // held by the loop that waits for the right
	stop    *stopper
	lock    *keeping
	pace    *pace
	budget  *budget
	breaker *breaker
	proof   *proof // nil: there is no look-up

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
// pace, and is not older at its turn than was reckoned with as it was queued.
func (s *sender) next(ctx context.Context) (a *attempt, may bool) {
	if s.right == nil {
		return s.queue.take(), true
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	may = s.queue.await() && s.right.await(ctx)
	return s.queue.take(), may
}

// send makes the attempt, and says what came of it.
func (s *sender) send(ctx context.Context, a *attempt) billing.Settlement {
	failpoint.Hit("before_send")
	reply := s.port.Send(ctx, a.request, func() error { return s.permit(a) })
	failpoint.Hit("after_reply")
	if reply.NotAsked {
		return s.unasked(a)
	}
	s.tally.Requests.Add(1)
	if s.proof != nil && reply.Outcome == billing.Accepted {
		s.proof.own.add(a.intent.InvoiceID, a.intent.LookupSHA256)
	}
	s.budget.heed(reply)
	s.troubles.odd(a.intent.InvoiceID, reply.Odd)
	s.pace.heed(reply, a.intent.RunAttempt)
	return s.settlement(a, s.breaker.heed(reply, a.intent.Attempt == a.intent.RunAttempt))
}

// permit is asked immediately before the first byte of the request: the locks
// must be known to live, and the intent not too old.
func (s *sender) permit(a *attempt) error {
	switch {
	case s.lock.lost():
		return newAttemptError("the run lock is lost")
	case a.claim.lost():
		return newAttemptError("the claim's connection is lost")
	case s.stop.stopped():
		return newAttemptError("the run is stopping")
	case tooLate(a.sendBy):
		return newAttemptError("its intent has grown too old")
	}
	return nil
}

// newAttemptError names what kept a request from being written.
func newAttemptError(why string) error { return fmt.Errorf("request not started: %s", why) }

// tooLate asks both clocks: the monotonic one is deaf to steps of the other, and
// stands still while a machine is suspended (clock_gettime(2), CLOCK_MONOTONIC).
func tooLate(by time.Time) bool {
	now := time.Now()
	return now.After(by) || now.Round(0).After(by.Round(0))
}

// settlement decides what a reply means.
func (s *sender) settlement(a *attempt, reply billing.Reply) billing.Settlement {
	known := s.known
	known.Outcome, known.KeyReused, known.Doubtful = reply.Outcome, reply.KeyReused, a.request.Repeat
	known.KeyAge, known.AttemptsLeft = a.key.Age(time.Now()), a.intent.RunAttempt < s.maxAttempts
	decision := billing.Decide(known)
	came := s.base(a)
	came.State, came.Final, came.Status, came.Reason, came.Answer = decision.Next, decision.Final, reply.Status, reply.Reason, reply.Answer
	came.Doubtful = a.request.Repeat || reply.Outcome == billing.Unknown
	if came.State == billing.InDoubt && came.Reason != "" {
		came.Reason = decision.Reason + "; seen: " + came.Reason
	}
	if came.State == billing.Retry {
		came.RetryIn = max(reply.RetryAfter, backoff(a.intent.RunAttempt))
	}
	return came
}

// unasked gives an intent back whose request was never begun.
func (s *sender) unasked(a *attempt) billing.Settlement {
	s.tally.NotAsked.Add(1)
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
