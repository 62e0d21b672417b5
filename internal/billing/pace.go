package billing

import (
	"sync"
	"time"
)

// LowestPace is the slowest that a run went because it was told to.
type LowestPace struct {
	PerSecond float64 `json:"per_second,omitempty"` // requests; 0: as fast as their replies come
	AtOnce    int     `json:"at_once"`              // requests in flight, at most
	Why       string  `json:"why"`                  // BILLING_RATE, or what the API said
}

// lower says whether p is the lower pace.
func (p LowestPace) lower(than LowestPace) bool {
	if p.PerSecond == than.PerSecond {
		return p.AtOnce < than.AtOnce
	}
	return p.PerSecond > 0 && (than.PerSecond == 0 || p.PerSecond < than.PerSecond)
}

// Pacing is how fast a run goes. It may be read while the run goes on.
type Pacing struct {
	mu                sync.Mutex
	inFlight, allowed int
	throttled, waits  int64
	lowest            *LowestPace
	began             [60]int // requests, by the second
	last              int64   // second
}

// PaceNow is a run's pace as it is looked at.
type PaceNow struct {
	InFlight, Allowed int // requests
	Throttled         int64
	Waits             int64 // that throttled replies asked of the whole runner
	LastMinute        int   // requests
	Lowest            *LowestPace
}

// Now is the pace at a time.
func (p *Pacing) Now(now time.Time) PaceNow {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(now)
	n := PaceNow{InFlight: p.inFlight, Allowed: p.allowed, Throttled: p.throttled, Waits: p.waits, Lowest: p.lowest}
	for _, count := range p.began {
		n.LastMinute += count
	}
	return n
}

// Began takes in that so many requests are in flight, one more than before.
func (p *Pacing) Began(now time.Time, inFlight int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(now)
	p.began[now.Unix()%60]++
	p.inFlight = inFlight
}

// InFlight takes in how many requests are in flight, and may be.
func (p *Pacing) InFlight(now, allowed int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight, p.allowed = now, allowed
}

// Throttled takes in a throttled reply; waits: the whole runner waits for it.
func (p *Pacing) Throttled(waits bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.throttled++
	if waits {
		p.waits++
	}
}

// SlowTo takes in to what the run was slowed down.
func (p *Pacing) SlowTo(pace LowestPace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lowest == nil || pace.lower(*p.lowest) {
		p.lowest = &pace
	}
}

// turn forgets what is older than a minute.
func (p *Pacing) turn(now time.Time) {
	second := now.Unix()
	for p.last = max(p.last, second-60); p.last < second; {
		p.last++
		p.began[p.last%60] = 0
	}
}
