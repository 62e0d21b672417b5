package web

import (
	"fmt"
	"time"

	"billonce/internal/billing"
	"billonce/internal/desk"
	"billonce/internal/words"
)

// now is the part of the first page that changes while a run goes on.
type now struct {
	desk.Status
	Mark    string // good, work or harm: the mark beside the verdict
	Verdict string // whether tonight is well, in one sentence
	Pace    string // empty: not known yet
	Shown   []shownRun
}

type shownRun struct {
	desk.Run
	Well bool
}

// In is how many deliveries are in a state.
func (n now) In(state string) int64 { return n.Deliveries[billing.State(state)] }

func newNow(st desk.Status, pace *string) now {
	n := now{Status: st}
	if pace != nil {
		n.Pace = *pace
	}
	running := 0
	for _, r := range st.Runs {
		n.Shown = append(n.Shown, shownRun{r, r.ExitCode != nil && *r.ExitCode == billing.ExitDone})
		if r.Alive {
			running++
		}
	}
	n.Mark, n.Verdict = verdict(st, running)
	return n
}

// verdict looks first at what waits for a person.
func verdict(st desk.Status, running int) (mark, text string) {
	open := st.Deliveries[billing.InDoubt] + st.Deliveries[billing.Failed]
	if st.Open != nil {
		open = max(open, st.Open.Count)
	}
	switch {
	case st.Paused != nil:
		return "harm", fmt.Sprintf("Paused by %s since %s: %s. Nothing is sent.", words.OneLine(st.Paused.By), stamp(st.Paused.At), words.OneLine(st.Paused.Reason))
	case open > 0 && running > 0:
		return "harm", fmt.Sprintf("%s need a person; a run is under way.", words.Plural(open, "invoice"))
	case open > 0:
		return "harm", fmt.Sprintf("%s need a person.", words.Plural(open, "invoice"))
	case running > 0 && st.Pending == nil:
		return "work", "A run is under way."
	case running > 0:
		return "work", fmt.Sprintf("A run is under way: %s to send.", words.Plural(*st.Pending, "invoice"))
	case len(st.Runs) == 0:
		return "work", "No run has begun yet."
	case st.Runs[0].ExitCode == nil:
		return "harm", "The last run was killed, or cut off. The next run goes on with what it left."
	case *st.Runs[0].ExitCode != billing.ExitDone:
		return "harm", fmt.Sprintf("The last run ended with exit code %d.", *st.Runs[0].ExitCode)
	}
	return "good", "All is well: nothing is open, and the last run has finished."
}

// pace reckons how fast a run is, of how the pending invoices become fewer.
type pace struct{ seen []desk.Status }

// paceSpan is how far back the pace looks.
const paceSpan = time.Minute

func (p *pace) add(st desk.Status) *string {
	if st.Pending == nil {
		return nil
	}
	p.seen = append(p.seen, st)
	for len(p.seen) > 1 && st.At.Sub(p.seen[0].At) > paceSpan {
		p.seen = p.seen[1:]
	}
	first := p.seen[0]
	took, done := st.At.Sub(first.At), *first.Pending-*st.Pending
	if took <= 0 || done <= 0 {
		return nil
	}
	perSecond := float64(done) / took.Seconds()
	left := time.Duration(float64(*st.Pending) / perSecond * float64(time.Second))
	text := fmt.Sprintf("%s a second; done about %s", words.Count(int64(perSecond+0.5)), clock(st.At.Add(left)))
	return &text
}
