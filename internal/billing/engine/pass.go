package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
)

// cutsMost is how many passes in a row may be cut short without having found
// anything to claim. The next one goes over the whole table.
const cutsMost = 4

// verdict is what a pass came to.
type verdict int

const (
	over     verdict = iota // nothing is left that this run could wait for, or it is told to stop
	progress                // deliveries were begun or settled: there may be more to do
	cut                     // it came to where another runner is at work, and found nothing
	idle                    // what is left is held by others, or not yet due
)

// turn is which invoices a pass takes. What earlier runs left is often what fails again:
// it never keeps a new one from being sent.
type turn int

const (
	all       turn = iota // but doubts
	newOnes               // those that were never tried
	doubtsToo             // the API is asked once more about what is in doubt
)

// after is whose turn it is after a pass over the whole table; the same one again: there
// is nothing for another.
func (p *pass) after(asks, asked bool) turn {
	switch {
	case p.turn == newOnes && p.later+p.progress > 0:
		return all
	case p.turn != doubtsToo && p.doubts > 0 && asks && !asked:
		return doubtsToo
	}
	return all
}

// scan reads what is pending, pass by pass.
type scan struct {
	scanner     Scanner
	budget      *budget
	pace        *pace
	stop        *stopper
	tally       *billing.Tally
	troubles    *troubles
	runID       uuid.UUID
	maxAttempts int
	shared      bool    // with other runners
	onePer      *onePer // nil: values are not kept apart
	rest        *rest   // nil: not known
}

// pass is one walk over the pending invoices: from a starting place to the
// end, and on from the beginning up to it. All claims of a run share it, so that no
// two of them ask for the same invoice.
type pass struct {
	*scan
	start  *billing.InvoiceID
	mayCut bool
	turn   turn

	mu       sync.Mutex
	last     *billing.InvoiceID
	wrapped  bool
	done     bool
	wasCut   bool
	early    bool          // it ended before its end: there is a reason to look anew
	progress int           // deliveries begun or settled
	nextDue  time.Duration // earliest `retry` that is not due yet; 0: none

	left       billing.Left
	earlier    billing.Earlier
	later      int // invoices that a later turn is for
	doubts     int // of earlier runs
	unrendered int64
	aside      []billing.SetAside
	queueing   queueing

	elapsed time.Duration
}

// newPass begins a pass, at place if runners share the run.
func (s *scan) newPass(ctx context.Context, place float64) (*pass, error) {
	p := &pass{scan: s}
	if s.onePer != nil {
		// From the beginning: a value's lower invoices come first.
		p.queueing.begin(&p.mu)
		return p, nil
	}
	if !s.shared {
		return p, nil
	}
	start, err := s.scanner.Start(ctx, place)
	if err != nil {
		return nil, fmt.Errorf("choose where to start: %w", err)
	}
	p.start, p.last = start, start
	return p, nil
}

// next returns the next candidates that are worth locking, up to size; none at
// the end of the pass, or when the budget is spent. The caller gives back to the
// budget what it does not use.
func (p *pass) next(ctx context.Context, size int) ([]billing.Candidate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.onePer != nil {
		return p.nextOfValues(ctx, size)
	}
	size = p.evenShare(ctx, size)
	for !p.done && !p.stop.stopped() && !p.interrupted() {
		n := p.budget.take(size)
		if n == 0 {
			return nil, nil
		}
		var upTo *billing.InvoiceID
		if p.wrapped {
			upTo = p.start
		}
		page, err := p.scanner.Scan(ctx, p.last, upTo, n)
		if err != nil {
			p.budget.give(n)
			return nil, fmt.Errorf("scan pending invoices: %w", err)
		}
		p.advance(page, n)
		worth := p.sift(page)
		p.budget.give(n - len(worth))
		if len(worth) > 0 {
			return worth, nil
		}
	}
	return nil, nil
}

// interrupted: the caller holds mu.
func (p *pass) interrupted() bool {
	p.early = p.early || p.pace.probing()
	return p.early
}

func (p *pass) advance(page []billing.Candidate, asked int) {
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
func (p *pass) sift(page []billing.Candidate) []billing.Candidate {
	worth := page[:0:0]
	for _, c := range page {
		if c.Fault != nil && c.State != billing.Sending {
			p.siftFaulty(c)
			continue
		}
		ours := c.RunID == p.runID
		switch c.State {
		case billing.Sent:
			p.earlier.Sent++
			if len(p.earlier.SentIDs) < billing.MostPendingAgain {
				p.earlier.SentIDs = append(p.earlier.SentIDs, c.ID)
			}
		case billing.Failed:
			if !ours {
				p.earlier.Failed++
			}
		case billing.InDoubt:
			switch {
			case ours:
				p.shutBy(c)
			case p.turn == doubtsToo:
				worth = append(worth, c)
			default:
				p.doubts++
				p.earlier.InDoubt++
				p.shutBy(c)
			}
		case billing.Cancelled:
			p.earlier.Cancelled++
		case billing.SubmittedState: // it is asked about beside the passes
		case billing.Unmarked: // at the run's end
		case billing.Retry:
			switch {
			case p.turn == newOnes:
				p.later++
			case ours && c.RunAttempt >= p.maxAttempts:
				p.left.Exhausted++
				p.shutBy(c)
			case c.DueIn > 0:
				p.waits(c.DueIn)
				p.shutBy(c)
			default:
				worth = append(worth, c)
			}
		case billing.Sending:
			if p.turn == newOnes {
				p.later++
				continue
			}
			worth = append(worth, c)
		default:
			worth = append(worth, c)
		}
	}
	return worth
}

// siftFaulty names a candidate that can't be told to be pending; what was decided about
// it stands.
func (p *pass) siftFaulty(c billing.Candidate) {
	switch c.State {
	case billing.InDoubt:
		p.earlier.InDoubt++
	case "", billing.Retry:
		p.onePer.setAside(c.ID)
		p.setAside(c.ID, c.Fault)
	}
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

// over says that no claim will find anything more.
func (p *pass) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done && p.queueing.waits == 0 || p.early || p.stop.stopped()
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

// addInDoubt counts those that an earlier run left in doubt, and that stay so.
func (p *pass) addInDoubt(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.earlier.InDoubt += n
}

// setAside counts an invoice of which no request can be made, and why. Each pass meets it
// again: the run's count is that of the pass that met most, and only what raises it
// is news. The caller holds mu.
func (p *pass) setAside(id billing.InvoiceID, err error) {
	p.unrendered++
	if len(p.aside) < billing.MostSetAside {
		p.aside = append(p.aside, billing.SetAside{ID: id, Reason: err.Error()})
	}
	if p.unrendered > p.tally.Unrendered.Load() {
		p.tally.Unrendered.Store(p.unrendered)
		p.troubles.unrendered(id, err)
	}
}

func (p *pass) addSetAside(id billing.InvoiceID, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setAside(id, err)
}

func (p *pass) addHeld(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left.Held += n
}

func (p *pass) addProgress(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress += n
}

// whole says that the pass, which has ended, went over the whole table.
func (p *pass) whole() bool { return p.done && !p.wasCut && !p.early }

// endEarly ends the pass before its end: what was given back is looked for anew.
func (p *pass) endEarly() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.early = true
}

func (p *pass) verdict() verdict {
	switch {
	case p.stop.stopped():
		return over
	case p.progress > 0 || p.early:
		return progress
	case p.wasCut:
		return cut
	case p.left.Held+p.left.Waiting == 0:
		return over
	}
	return idle
}

// leaves is what the pass leaves to other runs. One that was stopped has not seen it.
func (p *pass) leaves() billing.Left {
	if p.stop.stopped() {
		return billing.Left{}
	}
	return p.left
}
