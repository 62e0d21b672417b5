package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/words"
)

// now is the part of the first page that changes while a run goes on.
type now struct {
	desk.Status
	Mark     string // good, work or harm: the mark beside the verdict
	Verdict  string // whether tonight is well, in one sentence
	ToDecide bool
	Progress *progress // nil: no run is under way
	Figures  []figure
	Shown    []shownRun
}

// figure is a number of invoices, with the mark that it has if it is not zero.
type figure struct {
	Name, Mark string
	Count      int64
}

type shownRun struct {
	desk.Run
	Well bool
	Took string // empty: it has not ended
}

// Throttled is how slow the API had it go; empty: it did not.
func (r shownRun) Throttled() string {
	s := r.Summary
	switch {
	case s == nil || s.Throttled == 0:
		return ""
	case s.LowestPace != nil && s.LowestPace.PerSecond > 0:
		return "throttled, at the slowest to " + words.Rate(s.LowestPace.PerSecond) + " a second"
	}
	return "throttled"
}

// Submitted is how many deliveries the API has taken and not yet decided.
func (n now) Submitted() int64 { return n.Deliveries[billing.SubmittedState] }

func newNow(st desk.Status, p *progress) now {
	inFlight := "in flight"
	if st.Sending.AtLeast {
		inFlight = "seen in flight"
	}
	n := now{Status: st, Progress: p, ToDecide: open(st) > 0, Figures: []figure{
		{"to send", "", left(st)},
		{inFlight, "", st.Deliveries[billing.Sending]},
		{"sent today", "", st.SentToday},
		{"to be tried again", "", st.Deliveries[billing.Retry]},
		{"in doubt", "harm", st.Deliveries[billing.InDoubt]},
		{"failed", "harm", st.Deliveries[billing.Failed]},
	}}
	for _, r := range st.Runs {
		shown := shownRun{Run: r, Well: r.ExitCode != nil && *r.ExitCode == billing.ExitDone}
		if r.FinishedAt != nil {
			shown.Took = took(r.FinishedAt.Sub(r.StartedAt))
		}
		n.Shown = append(n.Shown, shown)
	}
	n.Mark, n.Verdict = verdict(st)
	return n
}

// took is a time as people say it: 42s, 11m, 1h5m.
func took(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// open is how many invoices wait for a person.
func open(st desk.Status) int64 {
	n := st.Deliveries[billing.InDoubt] + st.Deliveries[billing.Failed]
	if st.Open != nil {
		n = max(n, st.Open.Count)
	}
	return n
}

// verdict looks first at what keeps everything from being sent, then at what waits for a
// person.
func verdict(st desk.Status) (mark, text string) {
	open, running := open(st), underWay(st) != ""
	switch {
	case st.Paused != nil:
		return "harm", fmt.Sprintf("Paused by %s since %s: %s. Nothing is sent.", plain(st.Paused.By), stamp(st.Paused.At), plain(st.Paused.Reason))
	case st.Accepted != nil && !st.Identity.Same(*st.Accepted, false):
		return "harm", fmt.Sprintf("Not trusted: %s. Before a run sends, read what batch doctor says of it.", st.Identity.Since(*st.Accepted))
	case st.NotBefore != nil && left(st) > 0 && !running:
		return "harm", fmt.Sprintf("The billing API takes no more requests before %s. The next run from then on sends the rest.", stamp(*st.NotBefore))
	case open > 0 && running:
		return "harm", toPersons(open) + "; a run is under way."
	case open > 0:
		return "harm", toPersons(open) + "."
	case running:
		return "work", fmt.Sprintf("A run is under way: %s to send.", words.Plural(left(st), "invoice"))
	case len(st.Runs) == 0:
		return "work", "No run has begun yet."
	case st.Runs[0].ExitCode == nil:
		return "harm", "The last run was killed, or cut off. The next run goes on with what it left."
	case *st.Runs[0].ExitCode != billing.ExitDone:
		return "harm", endedText(st.Runs[0])
	}
	return "good", "All is well: nothing is open, and the last run has finished."
}

func toPersons(open int64) string {
	if open == 1 {
		return "1 invoice needs a person"
	}
	return words.Count(open) + " invoices need a person"
}

func endedText(r desk.Run) string {
	text := fmt.Sprintf("The last run ended with exit code %d", *r.ExitCode)
	if s := r.Summary; s != nil && s.Stopped != "" {
		text += fmt.Sprintf(" (%s)", s.Stopped.InWords())
	}
	return text + "."
}
