package compare

import (
	"context"
	"sync"
	"time"

	"billonce/internal/billing/billingfake"
)

// victim is the first runner, and its end.
type victim struct {
	mu      sync.Mutex
	effects int
	at      time.Time
	kill    context.CancelCauseFunc
	gone    chan struct{}
}

func newVictim() *victim { return &victim{gone: make(chan struct{})} }

// api is where the kill is ordered: nobody else knows the instant at which it has
// acted and the runner does not know.
func (v *victim) api(ctx context.Context, log *journal, keys bool) billingfake.Config {
	return billingfake.Config{
		Idempotent: keys, Latency: drillLatency,
		Before: log.arrived,
		After: func(r billingfake.Received) {
			log.acted(r)
			if r.Header.Get(serverHeader) != runnerName(0) {
				return
			}
			if kill := v.due(); kill != nil {
				kill(errKilled)
				select {
				case <-v.gone: // else it might still read the reply
				case <-ctx.Done():
				}
			}
		},
	}
}

// spare lets it live for now.
func (v *victim) spare(kill context.CancelCauseFunc) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kill = kill
}

// due is the kill, once: when the first of its second handful of requests has been
// acted on.
func (v *victim) due() context.CancelCauseFunc {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.effects++
	if v.effects != drillConcurrency+1 {
		return nil
	}
	v.at = time.Now()
	return v.kill
}
