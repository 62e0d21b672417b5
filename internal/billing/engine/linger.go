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
	since time.Time // when a pass first found nothing to do; zero: the last one did
	until time.Time // zero: not waiting
	told  bool
}

// end is called when there was something to do.
func (l *lingering) end() { l.since, l.until = time.Time{}, time.Time{} }

// wait waits for a reason to go over the table again after a pass that found nothing to
// do; false when there is none left.
func (l *lingering) wait(p *pass) bool {
	if l.until.IsZero() {
		l.begin(p)
	}
	next := p.nextDue
	if p.left.Held > 0 || next == 0 {
		next = l.pause(p)
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

// pause is how long to wait for what others hold: they let go without notice to us, and a
// dead runner's locks are freed by the server. Who works a moment longer lets go in a
// moment: it grows with the time that was waited already. A pass that is long itself is
// not repeated at once. It has jitter: two in step could keep finding each other.
func (l *lingering) pause(p *pass) time.Duration {
	now := time.Now()
	if l.since.IsZero() {
		l.since = now
	}
	pause := max(pollShortest, 2*p.elapsed, now.Sub(l.since)/4)
	pause = min(pause, max(lingerPoll, 10*p.elapsed))
	return pause/2 + rand.N(pause)
}

// ends is when lingering is over; it begins now at the latest.
func (l *lingering) ends() time.Time {
	if l.until.IsZero() {
		return time.Now().Add(l.most)
	}
	return l.until
}
