package engine

import (
	"sync"

	"github.com/rs/zerolog"

	"billonce/internal/billing"
)

// breaker counts consecutive outcomes that say nothing good about the API.
type breaker struct {
	limit int
	stop  *stopper
	log   zerolog.Logger

	mu    sync.Mutex
	count int
	open  bool
}

// note returns true when the breaker opens, once.
func (b *breaker) note(reply billing.Reply) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if reply.Outcome == billing.Accepted || reply.Outcome == billing.Refused && !reply.Denied {
		b.count = 0
		return false
	}
	b.count++
	if b.open || b.count < b.limit {
		return false
	}
	b.open = true
	return true
}

// heed stops the run when the breaker opens.
func (b *breaker) heed(reply billing.Reply) {
	if !b.note(reply) {
		return
	}
	why := "too many consecutive requests were neither accepted nor refused; look at the billing API, then run again"
	if reply.Denied {
		why = "the billing API does not let us in; look at its credentials, then `batch resolve --all-failed --retry --reason …`, and run again"
	}
	b.log.Error().Int("breaker", b.limit).Str("last", reply.Reason).Msg("stopping: " + why)
	b.stop.stop(billing.StoppedByBreaker, nil)
}
