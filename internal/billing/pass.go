package billing

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// namedAtMost bounds the ids that one warning names.
	namedAtMost = 20
	// cutsMost is how many passes in a row may be cut short without having found
	// anything to claim. The next one goes over the whole table.
	cutsMost = 4
)

// pass is one walk over the pending invoices: from a starting place to the
// end, and on from the beginning up to it. The lanes share it, so that no two
// of them ask for the same invoice.
type pass struct {
	runner *Runner
	start  *InvoiceID
	first  bool // of its run
	mayCut bool
	wasCut bool
	// reconciles says that the API is asked once more about what is in doubt.
	reconciles bool

	mu      sync.Mutex
	last    *InvoiceID
	wrapped bool
	done    bool
	nextDue time.Duration // earliest `retry` that is not due yet; 0: none

	left       Left
	earlier    Earlier
	sentAgain  []string
	unrendered int64

	progress atomic.Int64 // deliveries begun or settled
	elapsed  time.Duration
}

// newPass begins a pass, at place if runners share the run.
func (r *Runner) newPass(ctx context.Context, place float64) (*pass, error) {
	p := &pass{runner: r}
	if !r.Spread {
		return p, nil
	}
	start, err := r.Scanner.Start(ctx, place)
	if err != nil {
		return nil, fmt.Errorf("choose where to start: %w", err)
	}
	p.start, p.last = start, start
	return p, nil
}

// next returns the next candidates that are worth locking, up to size; none at
// the end of the pass, or when the budget is spent. The caller gives back to the
// budget what it does not use.
func (p *pass) next(ctx context.Context, size int) ([]Candidate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.done && !p.runner.stop.stopped() {
		n := p.runner.budget.take(size)
		if n == 0 {
			return nil, nil
		}
		var upTo *InvoiceID
		if p.wrapped {
			upTo = p.start
		}
		page, err := p.runner.Scanner.Scan(ctx, p.last, upTo, n)
		if err != nil {
			p.runner.budget.give(n)
			return nil, fmt.Errorf("scan pending invoices: %w", err)
		}
		p.advance(page, n)
		worth := p.sift(page)
		p.runner.budget.give(n - len(worth))
		if len(worth) > 0 {
			return worth, nil
		}
	}
	return nil, nil
}

// cut ends a pass that has come to where another runner is at work: to follow it
// would be to look at all that it has in hand. Another place is better, or a
// little later.
func (p *pass) cut() {
	if !p.mayCut || p.start == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.wasCut = true, true
}

// over says that no lane will find anything more to claim.
func (p *pass) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done || p.runner.stop.stopped()
}

func (p *pass) advance(page []Candidate, asked int) {
	switch {
	case len(page) == asked:
		p.last = &page[len(page)-1].ID
	case p.start != nil && !p.wrapped:
		p.wrapped, p.last = true, nil
	default:
		p.done = true
	}
}

// sift keeps the candidates that a claim could do something for, and counts
// the others. Pending and state were read in one snapshot, so an invoice that
// is pending though `sent` really is so.
func (p *pass) sift(page []Candidate) []Candidate {
	worth := page[:0:0]
	for _, c := range page {
		ours := c.RunID == p.runner.RunID
		switch c.State {
		case Sent:
			p.earlier.Sent++
			if len(p.sentAgain) < namedAtMost {
				p.sentAgain = append(p.sentAgain, string(c.ID))
			}
		case Failed:
			if !ours {
				p.earlier.Failed++
			}
		case InDoubt:
			switch {
			case ours:
			case p.reconciles:
				worth = append(worth, c)
			default:
				p.earlier.InDoubt++
			}
		case Cancelled:
			p.earlier.Cancelled++
		case Retry:
			switch {
			case ours && c.RunAttempt >= p.runner.MaxAttempts:
				p.left.Exhausted++
			case c.DueIn > 0:
				p.waits(c.DueIn)
			default:
				worth = append(worth, c)
			}
		default:
			worth = append(worth, c)
		}
	}
	return worth
}

// waits counts an invoice that is to be looked at again in d; 0: at any time.
// The caller holds mu.
func (p *pass) waits(d time.Duration) {
	p.left.Waiting++
	if d > 0 && (p.nextDue == 0 || d < p.nextDue) {
		p.nextDue = d
	}
}

func (p *pass) addWaiting(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits(d)
}

// addInDoubt counts one that an earlier run left in doubt, and that stays so.
func (p *pass) addInDoubt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.earlier.InDoubt++
}

// addUnrendered counts an invoice of which no request can be made. Each pass meets it
// again: the run's count is that of the pass that met most, and only what raises it
// is news.
func (p *pass) addUnrendered() (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unrendered++
	news = p.unrendered > p.runner.Tally.Unrendered.Load()
	if news {
		p.runner.Tally.Unrendered.Store(p.unrendered)
	}
	return news
}

func (p *pass) addHeld(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left.Held += n
}
