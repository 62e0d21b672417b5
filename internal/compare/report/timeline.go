package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/billonce/billonce/internal/words"
)

// Figures are drawn in percent of their width and in pixels of their height, so
// that they fill any screen and their words keep their size.
const (
	laneTop   = 26 // room for the kill's words
	laneTitle = 18
	slotStep  = 13
	laneGap   = 8
	timeWidth = 97.0
)

// timeline is a drill as the API saw it: a lane a runner, a mark a request.
type timeline struct {
	ID, Title, What, Desc string
	Summary               string
	Harm                  bool
	Height                int
	Axis                  int // its y
	Lanes                 []lane
	Kill                  string // its x
	KillAnchor            string
	Ticks                 []tick
}

type lane struct {
	Name     string
	Killed   bool
	TitleY   int
	Y, H     int
	Marks    []mark
	Requests int
}

type tick struct{ X, Label string }

// mark is a bar for a request that billed, hollow where that is in doubt; one that
// billed again is a line that ends in a diamond; one under a known key is a ring.
type mark struct {
	Kind     Kind
	X, W, X2 string
	Y        int
	Middle   int
	Title    string
}

func (r Report) timelines() []timeline {
	last := 0.0
	for _, d := range r.Drills {
		for _, e := range d.Events {
			last = max(last, e.ToMS)
		}
	}
	var all []timeline
	for i, d := range r.Drills {
		t := newTimeline(d, last)
		t.ID = "time" + strconv.Itoa(i)
		all = append(all, t)
	}
	return all
}

func newTimeline(d Drill, last float64) timeline {
	x := func(ms float64) string { return percents(1 + (timeWidth-1)*min(max(ms, 0)/max(last, 1), 1)) }
	t := timeline{Title: d.Name(), What: strategyWords(d.Strategy), Kill: x(d.KilledAtMS), KillAnchor: "start", Harm: d.BilledTwice > 0}
	if d.KilledAtMS > last/2 {
		t.KillAnchor = "end"
	}
	t.Summary = d.summary()
	t.Desc = fmt.Sprintf("%s for %s. %s is killed after %.0f ms.", words.Plural(d.Requests, "request"), invoices(d.Invoices), d.Killed, d.KilledAtMS)
	y := laneTop
	for _, name := range d.runners() {
		l := lane{Name: name, Killed: name == d.Killed, TitleY: y + 13, Y: y + laneTitle}
		slots := slots{}
		for _, e := range d.Events {
			if e.Runner != name {
				continue
			}
			top := l.Y + slots.take(e)*slotStep
			l.Marks = append(l.Marks, mark{
				Kind: e.Kind, X: x(e.FromMS), X2: x(e.ToMS), W: percents((timeWidth - 1) * (e.ToMS - e.FromMS) / max(last, 1)),
				Y: top + 2, Middle: top + slotStep/2, Title: e.words(),
			})
		}
		l.Requests, l.H = len(l.Marks), max(1, len(slots.free))*slotStep
		// What matters lies on top.
		slices.SortStableFunc(l.Marks, func(a, b mark) int { return a.Kind.rank() - b.Kind.rank() })
		t.Desc += fmt.Sprintf(" %s sent %s.", name, words.Plural(l.Requests, "request"))
		y = l.Y + l.H + laneGap
		t.Lanes = append(t.Lanes, l)
	}
	t.Axis, t.Height = y, y+20
	step := niceStep(last)
	for ms := 0.0; ms <= last; ms += step {
		t.Ticks = append(t.Ticks, tick{x(ms), number(math.Round(ms)/1000) + " s"})
	}
	t.Desc += " " + t.Summary + "."
	return t
}

// niceStep makes three to six steps of round numbers.
func niceStep(most float64) float64 {
	if most <= 0 {
		return 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, part := range []float64{0.2, 0.25, 0.5, 1} {
		if most/(step*part) <= 6 {
			return step * part
		}
	}
	return 2 * step
}

func percents(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) + "%" }

// slots are a lane's rows: requests in flight at the same time lie below each other.
type slots struct {
	free  []float64 // when each is
	rings int
}

// take finds an event's row. A mark without duration takes no room: those of one
// instant lie below each other, on top of what else is there.
func (s *slots) take(e Event) int {
	if e.Kind == Repeated && len(s.free) > 0 {
		s.rings++
		return (s.rings - 1) % len(s.free)
	}
	slot := slices.IndexFunc(s.free, func(at float64) bool { return at <= e.FromMS })
	if slot < 0 {
		slot = len(s.free)
		s.free = append(s.free, 0)
	}
	s.free[slot] = e.ToMS
	return slot
}

func (k Kind) rank() int { return slices.Index([]Kind{Billed, Doubtful, Repeated, Twice}, k) }

// runners are the lanes: the two of the drill, and the runs behind them.
func (d Drill) runners() []string {
	var names []string
	for _, e := range d.Events {
		if !slices.Contains(names, e.Runner) {
			names = append(names, e.Runner)
		}
	}
	rank := func(name string) int {
		if name == d.Killed {
			return 0
		}
		return 1 + slices.IndexFunc(d.Events, func(e Event) bool { return e.Runner == name })
	}
	slices.SortFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
}

func (d Drill) summary() string {
	text := "Nobody was billed twice"
	if d.BilledTwice > 0 {
		text = invoices(d.BilledTwice) + " billed twice"
	}
	if d.InDoubt > 0 {
		text += ", " + strconv.Itoa(d.InDoubt) + " in doubt for a person"
	}
	text += fmt.Sprintf("; all done %s s after the kill", hundredths(d.DoneSeconds))
	if d.MoreRuns > 0 {
		text += ", by " + words.Plural(d.MoreRuns, "more run")
	}
	return text
}

func (e Event) words() string {
	switch e.Kind {
	case Twice:
		return fmt.Sprintf("invoice %s billed AGAIN by %s, %.0f–%.0f ms", e.Invoice, e.Runner, e.FromMS, e.ToMS)
	case Doubtful:
		return fmt.Sprintf("invoice %s sent by %s, %.0f–%.0f ms: in doubt, for a person to decide", e.Invoice, e.Runner, e.FromMS, e.ToMS)
	case Repeated:
		return fmt.Sprintf("invoice %s sent again by %s under the same key, %.0f ms: no second effect", e.Invoice, e.Runner, e.FromMS)
	}
	return fmt.Sprintf("invoice %s billed by %s, %.0f–%.0f ms", e.Invoice, e.Runner, e.FromMS, e.ToMS)
}
