package engine

import (
	"context"
	"time"
)

const (
	// recount is how old a count of the runners may be.
	recount = 250 * time.Millisecond
	// countPart is which part of the time may be spent on counting what is left: without
	// an index for what is pending it takes long.
	countPart = 20
)

// rest knows what is left for the runners that share it. It is asked by one at a time.
type rest struct {
	port    Rest
	claims  int // of each runner, open at the same time
	runners int
	counted time.Time // the runners
	little  bool      // is left: less than all runners' claims would take
	share   int       // then: of what is left, for each claim; it grows less from there
	next    time.Time // not counted before
}

// evenShare bounds a claim by an even share of what is left: where that is little, what
// one runner takes in hand is what another one waits for. The caller holds mu.
func (p *pass) evenShare(ctx context.Context, size int) int {
	r := p.rest
	if r == nil || p.done {
		return size
	}
	if began := time.Now(); began.After(r.next) {
		if err := r.count(ctx, p, size); err != nil {
			return size // a row on which the predicate fails: the scan finds out
		}
		r.next = time.Now().Add(countPart * time.Since(began))
	}
	if !r.little {
		return size
	}
	return min(size, max(probeSize, r.share))
}

// count counts what is left for claims of a size.
func (r *rest) count(ctx context.Context, p *pass, size int) (err error) {
	if time.Since(r.counted) > recount {
		if r.runners, err = r.port.Runners(ctx); err != nil {
			return err
		}
		r.runners, r.counted = max(2, r.runners), time.Now()
	}
	claims := r.runners * r.claims
	most, upTo := size*claims, p.start
	if !p.wrapped {
		upTo = nil
	}
	left, err := r.port.CountAhead(ctx, p.last, upTo, most)
	if err == nil && left < most && p.start != nil && !p.wrapped {
		var before int
		before, err = r.port.CountAhead(ctx, nil, p.start, most-left)
		left += before
	}
	r.little, r.share = left < most, left/claims
	return err
}
