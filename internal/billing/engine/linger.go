package engine

import (
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"
)

// lingering is waiting for what others hold, and for what is not yet due.
type lingering struct {
	most  time.Duration
	stop  *stopper
	log   zerolog.Logger
	until time.Time // zero: not waiting
	told  bool
}

// end is called when there was something to do.
func (l *lingering) end() { l.until = time.Time{} }

// wait waits for a reason to go over the table again after a pass that found nothing to
// do; false when there is none left.
func (l *lingering) wait(p *pass) bool {
	if l.until.IsZero() {
		l.begin(p)
	}
	next := p.nextDue
	if p.left.Held > 0 || next == 0 {
		// A dead runner's locks are freed by the server without notice to us.
		// A pass that is long itself is not repeated at once.
		next = max(pollPause(), 10*p.elapsed)
	}
	remaining := time.Until(l.until)
	if remaining <= 0 || (p.left.Held == 0 && p.nextDue > remaining) {
		return false
	}
	l.stop.wait(min(next, remaining))
	return true
}

func (l *lingering) begin(p *pass) {
	l.until = time.Now().Add(l.most)
	if l.most > 0 && !l.told {
		l.told = true
		l.log.Info().Int("held", p.left.Held).Int("waiting", p.left.Waiting).Str("linger", l.most.String()).
			Msg("nothing more to claim now: waiting for invoices that others hold or that are not yet due")
	}
}

// pollPause has jitter: two that poll in step could keep finding each other.
func pollPause() time.Duration { return lingerPoll/2 + rand.N(lingerPoll) }

// ends is when lingering is over; it begins now at the latest.
func (l *lingering) ends() time.Time {
	if l.until.IsZero() {
		return time.Now().Add(l.most)
	}
	return l.until
}
