package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// countEvery is how often a runner counts those that share the rate with it.
	countEvery = 500 * time.Millisecond
	// shareWait is how long who comes waits, until all others have counted it and slowed
	// down; how long fewer must be counted before the rest speeds up; and after how long
	// who has had nothing to send leaves its part to the others.
	shareWait = 2 * time.Second
)

// part is this runner's part of BILLING_RATE, which is the whole run's.
type part struct {
	ofAll   bool // there may be others
	joined  bool // they count this one
	runners int  // that share, this one among them
	fewer   int  // at most so many were counted
	since   time.Time
	wanting int           // claims, and look-ups, that have something to send
	used    time.Time     // last
	wanted  chan struct{} // told of what wants to send while the others don't count this one
}

func newPart() part { return part{runners: 1, wanted: make(chan struct{}, 1)} }

// away says that nothing may be sent before the others count this runner.
func (p *part) away() bool { return p.ofAll && !p.joined }

// want counts what has something to send; -1 as it has nothing more.
func (p *part) want(n int) {
	p.wanting += n
	if !p.away() {
		return
	}
	select {
	case p.wanted <- struct{}{}:
	default:
	}
}

func (p *part) idle(now time.Time) bool {
	return p.wanting == 0 && now.Sub(p.used) >= shareWait
}

// count takes in how many runners share, and says whether this one has just come.
func (p *part) count(now time.Time, runners int) (came bool) {
	switch {
	case !p.joined || runners >= p.runners:
		came = !p.joined
		p.joined, p.runners, p.since = true, runners, time.Time{}
	case p.since.IsZero():
		p.since, p.fewer = now, runners
	default:
		p.fewer = max(p.fewer, runners)
		if now.Sub(p.since) >= shareWait {
			p.runners, p.since = p.fewer, time.Time{}
		}
	}
	return came
}

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

func (p *pace) want(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.part.want(n)
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
