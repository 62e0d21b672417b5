package pgstore_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
)

// losing hands out claims whose locks are lost at once.
type losing struct {
	engine.Claimer
	left *atomic.Int64
}

func (l losing) Claim(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error) {
	claim, err := l.Claimer.Claim(ctx, candidates)
	if err == nil && l.left.Add(-1) >= 0 {
		lost := make(chan struct{})
		close(lost)
		claim.Lost = lost
	}
	return claim, err
}

// P2: a pass that begins nothing, because its claims were lost, is not the end.
func TestP2LostClaimIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		for _, idempotent := range []bool{true, false} {
			cfg := seeded(t, 10)
			var a api
			r := newRunner(t, cfg, &a, strategy, func(c *engine.Config) {
				c.Idempotent, c.Linger = idempotent, time.Minute
			})
			var left atomic.Int64
			left.Store(5)
			newClaimer := r.NewClaimer
			r.NewClaimer = func() engine.Claimer { return losing{newClaimer(), &left} }
			if s := r.Run(t.Context(), nil); s.Sent != 10 || s.ExitCode() != billing.ExitDone || left.Load() > 0 {
				t.Errorf("%s, idempotent %t: %d claims left to lose; %+v, exit %d", strategy, idempotent, left.Load(), s, s.ExitCode())
			}
		}
	}
}
