package engine

import (
	"sync"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// breaker opens on as many replies as its limit that say that it is not the invoice
// which is wrong. It judges by new invoices alone: what earlier runs left for another
// attempt never keeps the rest from being sent.
type breaker struct {
	limit int
	stop  *stopper
	log   zerolog.Logger

	mu        sync.Mutex
	faults    int         // consecutive outcomes that are neither accepted nor refused
	misplaced int         // refusals by where we ask and as whom, nothing accepted in between
	refusals  map[int]int // by status; nil: something was accepted in this run
	open      bool
}

func newBreaker(limit int, stop *stopper, log zerolog.Logger) *breaker {
	return &breaker{limit: limit, stop: stop, log: log, refusals: map[int]int{}}
}

// note returns why the breaker opens, once; empty: it does not.
func (b *breaker) note(reply billing.Reply, untried bool) (why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if reply.Outcome.IsGood() {
		b.faults, b.misplaced, b.refusals = 0, 0, nil
		return ""
	}
	if !untried || b.open || reply.Replaced || reply.Outcome == billing.Throttled {
		return ""
	}
	if reply.Outcome == billing.Refused {
		why = b.refused(reply.Status)
	} else {
		why = b.failed(reply)
	}
	b.open = why != ""
	return why
}

func (b *breaker) failed(reply billing.Reply) string {
	b.faults++
	switch {
	case b.faults < b.limit:
		return ""
	case reply.Denied:
		return "the billing API rejects our credentials (401). Fix them and run again"
	}
	return "too many consecutive requests were neither accepted nor refused. Look at the billing API, then run again"
}

func (b *breaker) refused(status int) string {
	b.faults = 0
	if isMisplaced(status) {
		b.misplaced++
		if b.misplaced >= b.limit {
			return "the billing API refuses every request the same way. Look at BILLING_URL, BILLING_METHOD and our rights there, then `batch resolve --all-failed --retry --reason …`, and run again"
		}
	}
	if b.refusals == nil {
		return ""
	}
	b.refusals[status]++
	if b.refusals[status] < b.limit {
		return ""
	}
	return "the billing API has accepted nothing, and refuses every request with one status. Look at the reason, then `batch resolve --all-failed --retry --reason …`, and run again"
}

// isMisplaced says that a status is about the path, the method or our rights rather
// than about one invoice (RFC 9110, 15.5).
func isMisplaced(status int) bool {
	switch status {
	case 403, 404, 405, 406, 410, 415:
		return true
	}
	return false
}

// accepting says whether a request of this run was accepted.
func (b *breaker) accepting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusals == nil
}

// heed stops the run when the breaker opens, or when the first requests belong to
// another place. It returns the reply as the run takes it: one that is sent elsewhere
// among others that were accepted is about its invoice alone.
func (b *breaker) heed(reply billing.Reply, untried bool) billing.Reply {
	if reply.Elsewhere {
		if !b.accepting() {
			b.log.Error().Str("last", reply.Reason).Msg("stopping: the billing API sends our requests elsewhere. Look at BILLING_URL, then run again")
			b.stop.stop(billing.StoppedByBreaker, nil)
			return reply
		}
		reply.Outcome = billing.Refused
	}
	b.count(reply, untried)
	return reply
}

// count stops the run when the breaker opens.
func (b *breaker) count(reply billing.Reply, untried bool) {
	why := b.note(reply, untried)
	if why == "" {
		return
	}
	b.log.Error().Int("breaker", b.limit).Str("last", reply.Reason).Msg("stopping: " + why)
	b.stop.stop(billing.StoppedByBreaker, nil)
}
