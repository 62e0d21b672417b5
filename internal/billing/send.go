package billing

import (
	"context"
	"time"

	"billonce/internal/failpoint"
)

// attempt is one request on its way.
type attempt struct {
	delivering *delivering
	message    Message
	intent     Intent
	sendBy     time.Time // no byte is written after this

	doubtful bool          // an earlier attempt may have had its effect
	keyAge   time.Duration // of the key, as of looked; zero: new
	looked   time.Time
}

// sendLoop is one sender: one request at a time.
func (r *Runner) sendLoop() {
	for a, may := r.next(); a != nil; a, may = r.next() {
		var s Settlement
		if may {
			s = a.send()
		} else {
			s = a.unasked()
		}
		r.queue.done()
		a.delivering.settle(s, r.holdsSlots())
	}
}

// next is a sender's next attempt, nil at the end, and whether it may be made. Where
// attempts hold no slots, one sender at a time waits for the right to send, and takes
// its attempt then: so what is not sent yet waits in the queue alone, however slow the
// pace, and is not older at its turn than the lanes have reckoned with.
func (r *Runner) next() (a *attempt, may bool) {
	if r.holdsSlots() {
		return r.queue.take(), true
	}
	r.right.Lock()
	defer r.right.Unlock()
	may = r.queue.await() && r.mayBegin(r.claimCtx)
	return r.queue.take(), may
}

// send makes the attempt, and says what came of it.
func (a *attempt) send() Settlement {
	r := a.delivering.runner
	failpoint.Hit("before_send")
	reply := r.Sender.Send(r.sendCtx, a.message, a.permit)
	failpoint.Hit("after_reply")
	if !reply.NotAsked {
		r.Tally.Requests.Add(1)
		r.adapt(reply, a.intent.RunAttempt)
	}
	return a.settlement(reply)
}

// permit is asked immediately before the first byte of the request: the locks
// must be known to live, and the intent not too old.
func (a *attempt) permit() error {
	r := a.delivering.runner
	switch {
	case r.lock.lost():
		return newAttemptError("the run lock is lost")
	case isClosed(a.delivering.claim.Lost):
		return newAttemptError("the claim's connection is lost")
	case r.stop.stopped():
		return newAttemptError("the run is stopping")
	case tooLate(a.sendBy):
		return newAttemptError("its intent has grown too old")
	}
	return nil
}

// tooLate asks both clocks: the monotonic one is deaf to steps of the other, and
// stands still while a machine is suspended (clock_gettime(2), CLOCK_MONOTONIC).
func tooLate(by time.Time) bool {
	now := time.Now()
	return now.After(by) || now.Round(0).After(by.Round(0))
}

// adapt slows the runner down or stops it, as the API's replies ask for.
func (r *Runner) adapt(reply Reply, runAttempt int) {
	if reply.Outcome == Accepted {
		r.accepted.Add(1)
	}
	if reply.Throttled {
		r.pace.pause(max(reply.RetryAfter, backoff(runAttempt)))
	}
	if !r.breaker.note(reply) {
		return
	}
	why := "too many consecutive requests were neither accepted nor refused; look at the billing API, then run again"
	if reply.Denied {
		why = "the billing API does not let us in; look at its credentials, then `batch resolve --all-failed --retry --reason …`, and run again"
	}
	r.Log.Error().Int("breaker", r.Breaker).Str("last", reply.Reason).Msg("stopping: " + why)
	r.stop.stop(StoppedByBreaker, nil)
}

// settlement decides what a reply means.
func (a *attempt) settlement(reply Reply) Settlement {
	if reply.NotAsked {
		return a.unasked()
	}
	r := a.delivering.runner
	s := a.base()
	var age time.Duration
	if a.doubtful {
		age = a.keyAge + time.Since(a.looked)
	}
	decision := Decide(Known{
		Outcome: reply.Outcome, Idempotent: r.Idempotent, KeyAge: age, KeyTTL: r.keyTTL(), Doubtful: a.doubtful,
		AttemptsLeft: a.intent.RunAttempt < r.MaxAttempts,
		HasLookup:    r.HasLookup, KeyReused: reply.KeyReused,
	})
	s.State, s.Final, s.Status, s.Reason, s.Answer = decision.Next, decision.Final, reply.Status, reply.Reason, reply.Answer
	s.Doubtful = a.doubtful || reply.Outcome == Unknown
	if s.State == InDoubt && s.Reason != "" {
		s.Reason = decision.Reason + "; seen: " + s.Reason
	}
	if s.State == Retry {
		s.RetryIn = max(reply.RetryAfter, backoff(a.intent.RunAttempt))
	}
	return s
}

// unasked gives an intent back whose request was never begun.
func (a *attempt) unasked() Settlement {
	a.delivering.runner.Tally.NotAsked.Add(1)
	s := a.base()
	s.State, s.RunAttempt, s.Doubtful = Retry, s.RunAttempt-1, a.doubtful
	return s
}

func (a *attempt) base() Settlement {
	return Settlement{
		InvoiceID: a.intent.InvoiceID, RunID: a.delivering.runner.RunID,
		Attempt: a.intent.Attempt, RunAttempt: a.intent.RunAttempt,
	}
}

// recovered settles what an earlier sender left, under that sender's guard.
func (a *attempt) recovered(d Decision) Settlement {
	seen := a.intent.Seen
	return Settlement{
		InvoiceID: a.intent.InvoiceID, RunID: seen.RunID, Attempt: seen.Attempt, RunAttempt: seen.RunAttempt,
		State: d.Next, Doubtful: d.Next == InDoubt, Reason: d.Reason,
	}
}

// mayBegin waits for the right to send; false: the run is stopping.
func (r *Runner) mayBegin(ctx context.Context) bool {
	return !r.stop.stopped() && r.pace.wait(ctx) == nil && r.awaitLock()
}

// reserveSlot waits for a free slot, and for the right to send.
func (r *Runner) reserveSlot(ctx context.Context) bool {
	select {
	case <-r.slots:
	case <-r.stop.done:
		return false
	}
	if !r.mayBegin(ctx) {
		r.free(1)
		return false
	}
	return true
}

// reserveSlots waits for one slot and takes those that are free beside it, up to
// wanted. It returns 0 when the run is stopping.
func (r *Runner) reserveSlots(ctx context.Context, wanted int) int {
	if !r.reserveSlot(ctx) {
		return 0
	}
	for n := 1; n < wanted; n++ {
		select {
		case <-r.slots:
		default:
			return n
		}
		if !r.pace.ready() {
			r.free(1)
			return n
		}
	}
	return wanted
}

// underWay is how many attempts keep senders or slots busy.
func (r *Runner) underWay() int {
	if r.holdsSlots() {
		return r.Concurrency - len(r.slots)
	}
	return int(r.queue.busy.Load())
}

func (r *Runner) free(n int) {
	for range n {
		r.slots <- struct{}{}
	}
}
