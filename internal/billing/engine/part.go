package engine

import "time"

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
