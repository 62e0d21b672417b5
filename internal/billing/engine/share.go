package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// share takes in how many runners share the rate.
func (p *pace) share(runners int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	// Who comes and is alone need not wait: whoever comes later counts this one.
	if p.part.count(now, runners) && runners > 1 {
		p.next = later(p.next, now.Add(shareWait+rand.N(p.interval())))
	}
	if p.part.runners > 1 {
		p.slowed(fmt.Sprintf("BILLING_RATE, shared by %d runners", p.part.runners))
	}
	p.tell()
}

// leave gives this runner's part to the others, and says whether it had one.
func (p *pace) leave() (had bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	had, p.part.joined = p.part.joined, false
	return had
}

// idle says that this runner has nothing to send for now.
func (p *pace) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.part.idle(time.Now())
}

// sharing has this runner counted among those that share the rate, while it has something
// to send.
type sharing struct {
	port Rate
	right
	log zerolog.Logger

	failing time.Time // since when it can't be counted
}

func newSharing(port Rate, r right, log zerolog.Logger) *sharing {
	r.pace.part.ofAll = true
	return &sharing{port: port, right: r, log: log}
}

func (s *sharing) keep(ctx context.Context, finished <-chan struct{}) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		if s.pace.idle() {
			s.leave(ctx)
		} else {
			s.join(ctx)
		}
		select {
		case <-tick.C:
		case <-s.pace.part.wanted:
		case <-finished:
			s.leave(ctx)
			return
		}
	}
}

func (s *sharing) join(ctx context.Context) {
	runners, err := s.port.Join(ctx)
	switch {
	case err == nil:
		s.failing = time.Time{}
		s.pace.share(runners)
		return
	case s.lock.lost(): // nothing is sent, and who takes it again comes anew
	case s.failing.IsZero():
		s.failing = time.Now()
		s.log.Warn().Err(err).Msg("can't count the runners that share BILLING_RATE: sending nothing until that is possible")
	case time.Since(s.failing) > s.pace.linger():
		s.stop.stop(billing.StoppedByError, err)
	}
	s.pace.leave()
}

func (s *sharing) leave(ctx context.Context) {
	if !s.pace.leave() {
		return
	}
	if err := s.port.Leave(ctx); err != nil {
		s.log.Debug().Err(err).Msg("leaving BILLING_RATE to the other runners")
	}
}
