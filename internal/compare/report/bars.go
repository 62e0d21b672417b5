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

type legendEntry struct{ Strategy, What string }

func strategyWords(strategy string) string {
	switch strategy {
	case None:
		return "no lock"
	case NoWait:
		return "FOR UPDATE NOWAIT around the call"
	case Row:
		return "Billonce, row locks"
	}
	return "Billonce, advisory locks"
}

func legend(results []Result) []legendEntry {
	var all []legendEntry
	for _, s := range distinct(results, func(x Result) string { return x.Strategy }) {
		all = append(all, legendEntry{s, strategyWords(s)})
	}
	return all
}

// barChart is a measure at some scenarios.
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

// speedCharts are one for each latency.
func (r Report) speedCharts() []barChart {
	var all []barChart
	for i, ms := range distinct(r.Results, func(x Result) float64 { return x.LatencyMS }) {
		c := newBarChart(r.mainClaim(ms), measureOf("invoices_per_second"))
		c.ID, c.Title = "speed"+strconv.Itoa(i), "An API that takes "+latency(ms)
		all = append(all, c)
	}
	return all
}

// mainClaim keeps the results at a latency, of the first claim size of each strategy.
func (r Report) mainClaim(ms float64) []Result {
	first := map[string]int{}
	var kept []Result
	for _, x := range r.Results {
		if _, known := first[x.Strategy]; !known {
			first[x.Strategy] = x.ClaimSize
		}
		if x.LatencyMS == ms && x.ClaimSize == first[x.Strategy] {
			kept = append(kept, x)
		}
	}
	return kept
}

// costCharts are what an invoice costs, at the scenario that stands for all.
func (r Report) costCharts() []barChart {
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
	several := len(distinct(results, func(x Result) int { return x.Runners })) > 1
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
		if several {
			b.Label += ", " + words.Plural(x.Runners, "runner")
		}
		c.Desc += b.Label + " " + b.Value + ". "
		c.Bars = append(c.Bars, b)
	}
	c.Height = len(c.Bars)*barStep + 2
	return c
}
