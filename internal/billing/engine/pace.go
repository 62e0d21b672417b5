package engine

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"billonce/internal/billing"
)

const (
	backoffBase = 250 * time.Millisecond
	backoffCap  = 30 * time.Second
)

// backoff is how long to wait after the n-th attempt of a run (from 1):
// exponential with full jitter, so that many runners don't come back together.
func backoff(n int) time.Duration {
	ceiling := backoffCap
	if n < 8 {
		ceiling = min(backoffCap, backoffBase<<(n-1))
	}
	return rand.N(ceiling) + time.Millisecond
}

// pace holds requests back: by BILLING_RATE, and by what the API asked for
// with a 429, which slows the whole runner and not one invoice alone.
type pace struct {
	limiter *rate.Limiter

	mu     sync.Mutex
	until  time.Time
	lookUp time.Time // when look-ups took their share last
}

func newPace(perSecond float64) *pace {
	limit := rate.Inf
	if perSecond > 0 {
		limit = rate.Limit(perSecond)
	}
	return &pace{limiter: rate.NewLimiter(limit, 1)}
}

func (p *pace) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.until) {
		p.until = until
	}
}

func (p *pace) pausedFor() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until)
}

// heed slows the whole runner down where a reply to the n-th attempt of a run asks for
// that.
func (p *pace) heed(reply billing.Reply, n int) {
	if reply.Throttled {
		p.pause(max(reply.RetryAfter, backoff(n)))
	}
}

// wait returns when one more request may start.
func (p *pace) wait(ctx context.Context) error {
	if p.limiter.Limit() != rate.Inf {
		if err := p.limiter.Wait(ctx); err != nil {
			return err
		}
	}
	// The pause comes last: it may have begun while the rate was waited for.
	for d := p.pausedFor(); d > 0; d = p.pausedFor() {
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// waitForLookUp returns when one more look-up may start. Look-ups take what requests
// leave of the rate, and a tenth of it at least.
func (p *pace) waitForLookUp(ctx context.Context) error {
	for p.limiter.Limit() != rate.Inf && !p.limiter.Allow() {
		every := time.Duration(float64(time.Second) / float64(p.limiter.Limit()))
		if p.takeTenth(10 * every) {
			return p.wait(ctx)
		}
		if err := sleep(ctx, every/2+rand.N(every)+time.Millisecond); err != nil {
			return err
		}
	}
	for d := p.pausedFor(); d > 0; d = p.pausedFor() {
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// takeTenth takes the look-ups' share, if their last one is so long ago.
func (p *pace) takeTenth(every time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.lookUp) < every {
		return false
	}
	p.lookUp = now
	return true
}

// ready takes the right to one more request if it may start now.
func (p *pace) ready() bool {
	return p.pausedFor() <= 0 && p.limiter.Allow()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
