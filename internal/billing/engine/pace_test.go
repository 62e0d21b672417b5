package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// limitedAPI takes so many requests a second, in a bucket of a second's, or so many at
// once.
type limitedAPI struct {
	mu                 sync.Mutex
	perSecond, tokens  float64
	atOnce, atWork     int
	last, end          time.Time // what comes later is not counted
	asks               time.Duration
	accepted, requests int
}

func (a *limitedAPI) take() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Now().Before(a.end) {
		a.requests++
	}
	if a.atOnce > 0 {
		if a.atWork >= a.atOnce {
			return false
		}
		a.atWork++
		return true
	}
	now := time.Now()
	a.tokens = min(a.perSecond, a.tokens+a.perSecond*now.Sub(a.last).Seconds())
	a.last = now
	if a.tokens < 1 {
		return false
	}
	a.tokens--
	return true
}

func (a *limitedAPI) send(latency time.Duration) billing.Reply {
	if !a.take() {
		time.Sleep(latency / 4)
		return billing.Reply{Outcome: billing.Throttled, RetryAfter: a.asks}
	}
	time.Sleep(latency + rand.N(latency/20))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.atWork--
	if time.Now().Before(a.end) {
		a.accepted++
	}
	return billing.Reply{Outcome: billing.Accepted}
}

// sendForAMinute has runners with 32 senders each send as their paces let them.
func sendForAMinute(t *testing.T, a *limitedAPI, runners int, latency time.Duration) {
	a.end = time.Now().Add(time.Minute)
	var all sync.WaitGroup
	for range runners {
		p := newPace(Config{Concurrency: 32, Linger: 10 * time.Second}, newStopper(zerolog.Nop()), zerolog.Nop())
		for range 32 {
			all.Go(func() {
				for time.Now().Before(a.end) {
					if !p.await(t.Context()) {
						time.Sleep(100 * time.Millisecond)
						continue
					}
					began := time.Now()
					p.heed(billing.Request{}, asking{began: began}, a.send(latency))
				}
			})
		}
	}
	all.Wait()
}

// P8: a rate limit slows a run down to what the API takes, and no further.
func TestP8PaceIsWhatTheAPITakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		perSecond float64
		atOnce    int
		latency   time.Duration
		asks      time.Duration
	}{
		{perSecond: 5, latency: 30 * time.Millisecond},
		{perSecond: 5, latency: 300 * time.Millisecond, asks: time.Second},
		{perSecond: 25, latency: 30 * time.Millisecond},
		{perSecond: 25, latency: 300 * time.Millisecond, asks: time.Second},
		{perSecond: 200, latency: 100 * time.Millisecond},
		{perSecond: 200, latency: 30 * time.Millisecond, asks: time.Second},
		{atOnce: 5, latency: 100 * time.Millisecond},
		{atOnce: 5, latency: 300 * time.Millisecond, asks: time.Second},
		{atOnce: 5, latency: 100 * time.Millisecond, asks: time.Second},
		{perSecond: 5, latency: 100 * time.Millisecond, asks: time.Second},
		{perSecond: 200, latency: 100 * time.Millisecond, asks: time.Second},
	} {
		for _, runners := range []int{1, 3} {
			t.Run(fmt.Sprintf("%v_a_second,%d_at_once,%s,asks_%s,%d_runners", c.perSecond, c.atOnce, c.latency, c.asks, runners), func(t *testing.T) {
				times := 1
				if c.atOnce > 0 && runners > 1 {
					times = 3 // one in a hundred leaves a place unused for most of its minute
				}
				var accepted, requests int
				for range times {
					synctest.Test(t, func(t *testing.T) {
						a := &limitedAPI{perSecond: c.perSecond, tokens: c.perSecond, atOnce: c.atOnce, asks: c.asks, last: time.Now()}
						sendForAMinute(t, a, runners, c.latency)
						accepted, requests = accepted+a.accepted, requests+a.requests
					})
				}
				best := 60*c.perSecond + c.perSecond
				if c.atOnce > 0 {
					best = 60 * float64(c.atOnce) / c.latency.Seconds()
				}
				// Nobody knows the limit beforehand: the first burst is what finds it.
				got, cost := float64(accepted)/best/float64(times), float64(requests-32*runners*times)/float64(accepted)
				if got < 0.9 || cost > 1.2 {
					t.Errorf("%.0f %% of what the API takes, with %.2f requests for each that it takes", 100*got, cost)
				}
			})
		}
	}
}

// P8: a run that knows of no limit opens with few requests, and with all of them once one
// of so many was answered, or is slow to be.
func TestP8ARunOpensWithFew(t *testing.T) {
	t.Parallel()
	accepted := func(p *pace, began time.Time) {
		p.heed(billing.Request{}, asking{began: began}, billing.Reply{Outcome: billing.Accepted})
	}
	for name, c := range map[string]struct {
		then func(p *pace, began time.Time)
		want int64
	}{
		"none is answered":     {func(*pace, time.Time) {}, openWith},
		"one is answered":      {accepted, 64 + 1},
		"they take their time": {func(*pace, time.Time) { time.Sleep(openFor) }, 64},
		"one is throttled": {func(p *pace, began time.Time) {
			p.heed(billing.Request{}, asking{began: began}, billing.Reply{Outcome: billing.Throttled})
		}, openWith},
		"a canary was answered": {func(p *pace, began time.Time) {
			for range openWith {
				accepted(p, began.Add(-time.Second))
			}
		}, 2 * openWith},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace(Config{Concurrency: 64, Linger: time.Minute}, newStopper(zerolog.Nop()), zerolog.Nop())
				var begun atomic.Int64
				ctx, end := context.WithCancel(t.Context())
				for range 128 {
					go func() {
						if p.await(ctx) {
							begun.Add(1)
						}
					}()
				}
				synctest.Wait()
				if got := begun.Load(); got != openWith {
					t.Fatalf("%d requests open the run, want %d", got, openWith)
				}
				c.then(p, time.Now())
				synctest.Wait()
				if got := begun.Load(); got != c.want {
					t.Errorf("%d requests were begun, want %d", got, c.want)
				}
				end()
			})
		})
	}
}
