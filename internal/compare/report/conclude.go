package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/billonce/billonce/internal/words"
)

// material is a difference in speed that is worth a choice.
const material = 0.10

// conclude says in words what decides, and no more than the numbers show; what to do
// comes first.
func (r Report) conclude() []string {
	conclusions := []string{r.sayChoice()}
	if speed := r.saySpeed(); speed != "" {
		conclusions = append(conclusions, speed)
	}
	return conclusions
}

// sayChoice recommends a strategy.
func (r Report) sayChoice() string {
	speed := r.ratiosOf("invoices_per_second")
	switch {
	case r.Duplicates() > 0:
		return fmt.Sprintf("Billonce billed %s more than once: nothing else counts. Please report it, with this report as JSON.", invoices(r.Duplicates()))
	case len(speed) == 0:
		return "Row and advisory were not both measured, so there is no choice to recommend."
	case r.Conditions.Rounds < leastRounds:
		return fmt.Sprintf("%s can't show the noise, so nothing is recommended: ask for --rounds %d or more.",
			words.Plural(r.Conditions.Rounds, "round"), leastRounds)
	}
	var slow []string
	for _, s := range speed {
		if !s.Noise && s.Median < 1-material {
			slow = append(slow, fmt.Sprintf("%s and %s", words.Plural(s.Runners, "runner"), latency(s.LatencyMS)))
		}
	}
	rowHeld, advisoryHeld := r.mostMedian(Row, "horizon_seconds"), r.mostMedian(Advisory, "horizon_seconds")
	vacuum := ""
	if rowHeld > advisoryHeld {
		vacuum = fmt.Sprintf(", and it held vacuum back for %s s at most, against %s s", hundredths(advisoryHeld), hundredths(rowHeld))
	}
	if len(slow) == 0 {
		return fmt.Sprintf("On this server, prefer advisory: in no scenario was it more than %.0f %% slower than row beyond the noise%s.", 100*material, vacuum)
	}
	return fmt.Sprintf("On this server, row was more than %.0f %% faster with %s; elsewhere prefer advisory%s.", 100*material, list(slow), vacuum)
}

// saySpeed compares the two with most runners, for each latency.
func (r Report) saySpeed() string {
	var parts []string
	for _, s := range r.mostRunners(r.ratiosOf("invoices_per_second")) {
		at := "at " + latency(s.LatencyMS)
		switch {
		case r.Conditions.Rounds < leastRounds:
			parts = append(parts, at+" there are too few rounds to say")
		case s.Noise:
			parts = append(parts, at+" the difference is inside the noise")
		default:
			parts = append(parts, fmt.Sprintf("%s %s invoices a second (%s to %s, by round)", at, percent(s.Median), percent(s.Min), percent(s.Max)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("Speed, advisory against row with %s: %s.", words.Plural(r.runnersMost(), "runner"), strings.Join(parts, "; "))
}

func (r Report) ratiosOf(measure string) []Ratio {
	return slices.DeleteFunc(slices.Clone(r.Ratios), func(s Ratio) bool { return s.Measure != measure })
}

func (r Report) runnersMost() (n int) {
	for _, x := range r.Results {
		n = max(n, x.Runners)
	}
	return n
}

// mostRunners keeps one ratio for each latency: the first claim size's.
func (r Report) mostRunners(ratios []Ratio) []Ratio {
	var kept []Ratio
	for _, s := range ratios {
		known := slices.ContainsFunc(kept, func(k Ratio) bool { return k.LatencyMS == s.LatencyMS })
		if s.Runners == r.runnersMost() && !known {
			kept = append(kept, s)
		}
	}
	return kept
}

// reference is the scenario that stands for all: most runners, the middle latency.
func (r Report) reference() (Scenario, bool) {
	all := r.mostRunners(r.ratiosOf("wal_bytes"))
	if len(all) == 0 {
		return Scenario{}, false
	}
	slices.SortFunc(all, func(a, b Ratio) int { return int(math.Copysign(1, a.LatencyMS-b.LatencyMS)) })
	s := all[len(all)/2]
	return Scenario{Runners: s.Runners, LatencyMS: s.LatencyMS, ClaimSize: s.ClaimSize}, true
}

// mostMedian is the largest median of a strategy, of all scenarios.
func (r Report) mostMedian(strategy, measure string) (most float64) {
	for _, x := range r.Results {
		if x.Strategy == strategy {
			most = max(most, x.Measures[measure].Median)
		}
	}
	return most
}
