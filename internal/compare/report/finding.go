package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// material is a difference in speed that is worth a choice.
const material = 0.10

// find says in words what the numbers show, and no more than that; what to do
// comes first.
func (r Report) find() []string {
	findings := []string{}
	for _, say := range []func() string{
		r.sayChoice, r.saySpeed, r.sayWriting, r.sayWait, r.sayVacuum, r.sayRoom, r.sayUnprotected, r.sayCrash, r.sayDoubt,
	} {
		if text := say(); text != "" {
			findings = append(findings, text)
		}
	}
	return findings
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
		return fmt.Sprintf("%s no measure of noise, so nothing is recommended: ask for --rounds %d or more.",
			plural(r.Conditions.Rounds, "round gives", "rounds give"), leastRounds)
	}
	var slow []string
	for _, s := range speed {
		if !s.Noise && s.Median < 1-material {
			slow = append(slow, fmt.Sprintf("%s and %s", plural(s.Runners, "runner", "runners"), latency(s.LatencyMS)))
		}
	}
	rowHeld, advisoryHeld := r.mostMedian(Row, "horizon_seconds"), r.mostMedian(Advisory, "horizon_seconds")
	vacuum := ""
	if rowHeld > advisoryHeld {
		vacuum = fmt.Sprintf(", and it held vacuum back for %s s at most, against %s s", hundredths(advisoryHeld), hundredths(rowHeld))
	}
	if len(slow) == 0 {
		return fmt.Sprintf("On this server, prefer advisory: in no setup was it more than %.0f %% slower than row beyond the noise%s.", 100*material, vacuum)
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
			parts = append(parts, fmt.Sprintf("%s advisory sent %s invoices a second (%s to %s, by round)",
				at, amount(s.Median, "more", "fewer"), percent(s.Min), percent(s.Max)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("Speed, advisory against row with %s: %s.", plural(r.runnersMost(), "runner", "runners"), strings.Join(parts, "; "))
}

// sayWriting compares what the two write, at the setup that stands for all.
func (r Report) sayWriting() string {
	at, found := r.reference()
	if !found || r.Conditions.Rounds < leastRounds {
		return ""
	}
	var differ, same []string
	for _, m := range []struct{ key, name, less string }{
		{"wal_bytes", "WAL", "less"}, {"commits", "commits", "fewer"}, {"dirtied_pages", "dirtied pages", "fewer"},
	} {
		for _, s := range r.ratiosOf(m.key) {
			if s.Runners != at.Runners || s.LatencyMS != at.LatencyMS || s.ClaimSize != at.ClaimSize {
				continue
			}
			if s.Noise {
				same = append(same, m.name)
			} else {
				differ = append(differ, amount(s.Median, "more", m.less)+" "+m.name)
			}
		}
	}
	text := fmt.Sprintf("Writing, at %s with %s: ", latency(at.LatencyMS), plural(at.Runners, "runner", "runners"))
	inside := "what differs in " + list(same) + " is inside the noise"
	switch {
	case len(differ) == 0 && len(same) == 0:
		return ""
	case len(differ) == 0:
		return text + inside + "."
	case len(same) == 0:
		return text + "advisory wrote " + list(differ) + " than row."
	}
	return text + "advisory wrote " + list(differ) + " than row; " + inside + "."
}

// sayWait says how long an invoice is in hand; who claims ahead takes longer.
func (r Report) sayWait() string {
	at, found := r.reference()
	if !found {
		return ""
	}
	var parts []string
	p99 := map[string]float64{}
	for _, x := range r.Results {
		if x.Runners == at.Runners && x.LatencyMS == at.LatencyMS && (x.ClaimSize == 0 || x.ClaimSize == at.ClaimSize) {
			p99[x.Strategy] = x.Measures["p99_ms"].Median
			parts = append(parts, fmt.Sprintf("%s %s ms", x.Strategy, x.median("p99_ms")))
		}
	}
	text := fmt.Sprintf("Wait, from claim to settled, p99 at %s with %s: %s.",
		latency(at.LatencyMS), plural(at.Runners, "runner", "runners"), list(parts))
	if p99[Advisory] > p99[Row] {
		text += " Advisory locks ahead what it sends next, and settles in groups."
	}
	return text
}

// sayVacuum says how long one transaction kept the dead rows from being removed.
func (r Report) sayVacuum() string {
	slowest := 0.0
	for _, x := range r.Results {
		slowest = max(slowest, x.LatencyMS)
	}
	var parts []string
	for _, strategy := range []string{NoWait, Row, Advisory} {
		if held, found := r.mostMedianAt(strategy, "horizon_seconds", slowest); found {
			parts = append(parts, fmt.Sprintf("%s %s s", strategy, hundredths(held)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("Vacuum, with an API that takes %s: the longest that one transaction held it back was %s. A row lock lasts as long as the slowest request of its claim.",
		latency(slowest), list(parts))
}

// sayRoom says what room the runners take on the server.
func (r Report) sayRoom() string {
	most := r.runnersMost()
	var locks, connections []string
	for _, strategy := range []string{NoWait, Row, Advisory} {
		entries, conns, found := 0.0, 0.0, false
		for _, x := range r.Results {
			if x.Strategy == strategy && x.Runners == most {
				found = true
				entries, conns = max(entries, x.Measures["lock_entries"].Max), max(conns, x.Measures["connections"].Max)
			}
		}
		if found {
			locks = append(locks, fmt.Sprintf("%s %s", strategy, thousands(entries)))
			connections = append(connections, fmt.Sprintf("%s %s", strategy, thousands(conns)))
		}
	}
	if len(locks) == 0 {
		return ""
	}
	return fmt.Sprintf("Room, %s with up to %s each: at most %s entries in the shared lock table, and %s connections.",
		plural(most, "runner", "runners"), plural(r.Conditions.Concurrency, "request in flight", "requests in flight"), list(locks), list(connections))
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

// reference is the setup that stands for all: most runners, the middle latency.
func (r Report) reference() (Setup, bool) {
	all := r.mostRunners(r.ratiosOf("wal_bytes"))
	if len(all) == 0 {
		return Setup{}, false
	}
	slices.SortFunc(all, func(a, b Ratio) int { return int(math.Copysign(1, a.LatencyMS-b.LatencyMS)) })
	s := all[len(all)/2]
	return Setup{Runners: s.Runners, LatencyMS: s.LatencyMS, ClaimSize: s.ClaimSize}, true
}

// mostMedian is the largest median of a strategy, of all setups.
func (r Report) mostMedian(strategy, measure string) (most float64) {
	for _, x := range r.Results {
		if x.Strategy == strategy {
			most = max(most, x.Measures[measure].Median)
		}
	}
	return most
}

func (r Report) mostMedianAt(strategy, measure string, latency float64) (most float64, found bool) {
	for _, x := range r.Results {
		if x.Strategy == strategy && x.LatencyMS == latency {
			most, found = max(most, x.Measures[measure].Median), true
		}
	}
	return most, found
}
