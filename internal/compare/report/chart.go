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
	plotHeight = 230
	plotTop    = 16.0
	plotBottom = 196.0

	roomForWords = 4 // labels on a phone
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

// lineChart is a measure over the number of runners.
type lineChart struct {
	ID, Title, Desc string
	Height          int
	Grid            []gridLine
	Ticks           []tick
	Series          []series
}

type gridLine struct {
	Y     string
	Label string
}

type tick struct{ X, Label string }

// series is one strategy's line.
type series struct {
	Strategy string
	Segments []segment
	Points   []point
}

type segment struct{ X1, Y1, X2, Y2 string }

// point has its spread as a line from Low to High.
type point struct{ X, Y, Low, High, Title string }

// lineCharts are one for each latency.
func (r Report) lineCharts() []lineChart {
	var all []lineChart
	for i, ms := range distinct(r.Results, func(x Result) float64 { return x.LatencyMS }) {
		c := newLineChart(r.mainClaim(ms), "invoices_per_second")
		c.ID = "line" + strconv.Itoa(i)
		c.Title = "An API that takes " + latency(ms)
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

func newLineChart(results []Result, key string) lineChart {
	m := measureOf(key)
	most := 0.0
	for _, x := range results {
		most = max(most, x.Measures[key].Max)
	}
	step := niceStep(most)
	top := step * math.Ceil(most/step)
	y := func(v float64) string { return pixels(plotBottom - (plotBottom-plotTop)*v/max(top, 1e-9)) }
	c := lineChart{Height: plotHeight, Desc: "Medians, with the least and the most of all rounds as a vertical line. "}
	for v := 0.0; v <= top+step/2; v += step {
		c.Grid = append(c.Grid, gridLine{Y: y(v), Label: m.number(v)})
	}
	runners := distinct(results, func(x Result) int { return x.Runners })
	slices.Sort(runners)
	place := func(n int) float64 {
		if len(runners) == 1 {
			return 55
		}
		return 16 + 76*float64(slices.Index(runners, n))/float64(len(runners)-1)
	}
	for _, n := range runners {
		label := words.Plural(n, "runner")
		if len(runners) > roomForWords {
			label = strconv.Itoa(n)
		}
		c.Ticks = append(c.Ticks, tick{percents(place(n)), label})
	}
	strategies := distinct(results, func(x Result) string { return x.Strategy })
	for i, strategy := range strategies {
		s := series{Strategy: strategy}
		// Side by side, so that no spread hides another's.
		aside := 1.4 * (float64(i) - float64(len(strategies)-1)/2)
		for _, x := range results {
			v, found := x.Measures[key]
			if x.Strategy != strategy || !found {
				continue
			}
			p := point{
				X: percents(place(x.Runners) + aside), Y: y(v.Median), Low: y(v.Min), High: y(v.Max),
				Title: fmt.Sprintf("%s, %s: %s", strategy, words.Plural(x.Runners, "runner"), x.spread(key)),
			}
			if n := len(s.Points); n > 0 {
				s.Segments = append(s.Segments, segment{s.Points[n-1].X, s.Points[n-1].Y, p.X, p.Y})
			}
			s.Points = append(s.Points, p)
			c.Desc += p.Title + ". "
		}
		c.Series = append(c.Series, s)
	}
	return c
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

func pixels(y float64) string { return strconv.FormatFloat(y, 'f', 1, 64) }
