package engine

import (
	"context"
	"time"
)

// recount is how old a count of the runners may be.
const recount = 250 * time.Millisecond

// rest knows what is left for the runners that share it. It is asked by one at a time.
type rest struct {
	port    Rest
	claims  int // of each runner, open at the same time
	runners int
	counted time.Time // the runners
}

// evenShare bounds a claim by an even share of what is left: where that is little, what
// one runner takes in hand is what another one waits for. The caller holds mu.
func (p *pass) evenShare(ctx context.Context, size int) int {
	r := p.rest
	if r == nil || p.done {
		return size
	}
	if time.Since(r.counted) > recount {
		runners, err := r.port.Runners(ctx)
		if err != nil {
			return size
		}
		r.runners, r.counted = max(2, runners), time.Now()
	}
	claims := r.runners * r.claims
	most := size * claims
	upTo := p.start
	if !p.wrapped {
		upTo = nil
	}
	left, err := r.port.CountAhead(ctx, p.last, upTo, most)
	if err == nil && left < most && p.start != nil && !p.wrapped {
		var before int
		before, err = r.port.CountAhead(ctx, nil, p.start, most-left)
		left += before
	}
	if err != nil { // a row on which the predicate fails: the scan finds out
		return size
	}
	return min(size, max(probeSize, left/claims))
}
