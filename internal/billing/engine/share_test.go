package engine

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// counted is the lock that runners share a rate by.
type counted struct {
	mu sync.Mutex
	in map[*countedRunner]bool
}

type countedRunner struct{ *counted }

func (c *countedRunner) Join(context.Context) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in[c] = true
	return len(c.in), nil
}

func (c *countedRunner) Leave(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.in, c)
	return nil
}

// sharedRate is runners that send as fast as they may.
type sharedRate struct {
	counted
	rate float64

	began []time.Time // requests
}

// run begins a runner, and returns what ends it.
func (s *sharedRate) run(t *testing.T) (end func()) {
	p := newPace(Config{Rate: s.rate, Concurrency: 8, Linger: time.Minute}, newStopper(zerolog.Nop()), zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	finished := make(chan struct{})
	var all sync.WaitGroup
	share := newSharing(&countedRunner{&s.counted}, right{p.stop, p, newKeeping(nil, p.stop, zerolog.Nop())}, zerolog.Nop())
	all.Go(func() { share.keep(ctx, finished) })
	var senders sync.WaitGroup
	for range 3 {
		senders.Go(func() {
			for {
				leave, may := p.enter(ctx, forever)
				if may && p.await(ctx) {
					s.mu.Lock()
					s.began = append(s.began, time.Now())
					s.mu.Unlock()
					p.heed(billing.Request{}, asking{began: time.Now()}, billing.Reply{Outcome: billing.Accepted})
				}
				leave()
				if !may {
					return
				}
			}
		})
	}
	return func() {
		cancel()
		senders.Wait()
		close(finished)
		all.Wait()
	}
}

// most is how many requests began in a span, and how many in a second of it at most.
func (s *sharedRate) most(from time.Time, span time.Duration) (all, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, at := range s.began {
		if at.Before(from) || at.After(from.Add(span)) {
			continue
		}
		all++
		n, _ := slices.BinarySearchFunc(s.began, at.Add(time.Second), time.Time.Compare)
		most = max(most, n-i)
	}
	return all, most
}

// BILLING_RATE is the whole run's, whoever comes and goes.
func TestRateIsTheWholeRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sharedRate{rate: 20, counted: counted{in: map[*countedRunner]bool{}}}
		spanned := func(what string, span time.Duration, least int) {
			t.Helper()
			from := time.Now()
			time.Sleep(span)
			all, most := s.most(from, span-time.Second)
			if most > 24 || all < least {
				t.Errorf("%s: %d requests in %s, up to %d a second; want at least %d, and about 20 a second", what, all, span-time.Second, most, least)
			}
		}
		first := s.run(t)
		spanned("alone", 6*time.Second, 95)
		second, third := s.run(t), s.run(t)
		spanned("as two come", 6*time.Second, 60) // who comes waits, and the first slows down
		spanned("three", 11*time.Second, 195)
		first()
		spanned("as one goes", 6*time.Second, 80)
		second()
		spanned("as another goes", 6*time.Second, 70)
		spanned("alone again", 6*time.Second, 95)
		third()
	})
}

// Who has nothing to send leaves its part to the others, and comes anew.
func TestRateIsLeftByWhoHasNothingToSend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := &counted{in: map[*countedRunner]bool{}}
		p := newPace(Config{Rate: 20, Concurrency: 8, Linger: time.Minute}, newStopper(zerolog.Nop()), zerolog.Nop())
		finished := make(chan struct{})
		var keeping sync.WaitGroup
		share := newSharing(&countedRunner{all}, right{p.stop, p, newKeeping(nil, p.stop, zerolog.Nop())}, zerolog.Nop())
		keeping.Go(func() { share.keep(t.Context(), finished) })
		in := func() int {
			synctest.Wait()
			all.mu.Lock()
			defer all.mu.Unlock()
			return len(all.in)
		}
		if n := in(); n != 0 {
			t.Errorf("%d share before there is anything to send", n)
		}
		leave, may := p.enter(t.Context(), forever)
		if n := in(); !may || n != 1 {
			t.Errorf("may send %t, %d share", may, n)
		}
		time.Sleep(time.Minute)
		if n := in(); n != 1 {
			t.Errorf("%d share while there is something to send", n)
		}
		leave()
		time.Sleep(2 * shareWait)
		if n := in(); n != 0 {
			t.Errorf("%d share with nothing to send", n)
		}
		all.in[&countedRunner{all}] = true
		began := time.Now()
		leave, _ = p.enter(t.Context(), forever)
		leave()
		if waited := time.Since(began); waited < shareWait || in() != 2 {
			t.Errorf("came anew after %s", waited)
		}
		close(finished)
		keeping.Wait()
		if n := in(); n != 1 {
			t.Errorf("%d share as the run has ended", n)
		}
	})
}
