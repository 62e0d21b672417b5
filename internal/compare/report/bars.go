package report

import (
	"slices"
	"strconv"

	"github.com/billonce/billonce/internal/words"
)

const (
	barStep   = 38
	barOffset = 20 // of the bar below its words
	barWidth  = 94.0
)

// barChart is a measure at one scenario.
type barChart struct {
	ID, Title, Note, Desc string
	Height                int
	Bars                  []bar
}

type bar struct {
	Strategy, Label, Value string
	TextY, Y, Middle       int
	Width, Low, High       string
}

// barCharts are what an invoice costs, at the scenario that stands for all.
func (r Report) barCharts() []barChart {
	at, found := r.reference()
	if !found {
		return nil
	}
	slowest := slices.Max(distinct(r.Results, func(x Result) float64 { return x.LatencyMS }))
	var all []barChart
	for i, key := range []string{
		"wal_bytes", "commits", "dirtied_pages", "horizon_seconds", "lock_entries", "connections", "held", "p99_ms", "dead_tuples",
	} {
		ms := at.LatencyMS
		if key == "horizon_seconds" {
			ms = slowest // where it matters most
		}
		c := newBarChart(slices.DeleteFunc(r.mainClaim(ms), func(x Result) bool { return x.Runners != at.Runners }), measureOf(key))
		if len(c.Bars) == 0 {
			continue
		}
		c.ID = "bar" + strconv.Itoa(i)
		c.Note += "; " + words.Plural(at.Runners, "runner") + ", API " + latency(ms)
		all = append(all, c)
	}
	return all
}

func newBarChart(results []Result, m measure) barChart {
	c := barChart{Title: m.name(), Note: m.note}
	most := 0.0
	for _, x := range results {
		most = max(most, x.Measures[m.key].Max)
	}
	width := func(v float64) string { return percents(barWidth * v / max(most, 1e-9)) }
	for _, x := range results {
		s, found := x.Measures[m.key]
		if !found {
			continue
		}
		top := len(c.Bars) * barStep
		b := bar{
			Strategy: x.Strategy, Label: x.Strategy, Value: x.spread(m.key),
			TextY: top + 14, Y: top + barOffset, Middle: top + barOffset + 5,
			Width: width(s.Median), Low: width(s.Min), High: width(s.Max),
		}
		c.Desc += x.Strategy + " " + b.Value + ". "
		c.Bars = append(c.Bars, b)
	}
	c.Height = len(c.Bars)*barStep + 2
	return c
}
