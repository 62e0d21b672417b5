package compare

import (
	"slices"
	"time"

	"billonce/internal/compare/report"
)

// cellTime is about how long one runner is busy in a cell, where the API's latency
// is what limits it: a cell of slow requests has fewer invoices.
const cellTime = time.Second

// Settings of a comparison: each combination is a setup.
type Settings struct {
	Strategies  []string
	Runners     []int
	Latencies   []time.Duration // of the billing API
	ClaimSizes  []int           // of the strategies that have claims
	Invoices    int             // in a cell, at most
	Rounds      int
	Concurrency int           // requests in flight, of each runner
	Timeout     time.Duration // of a request; 0: what suits
	Drill       bool          // crash each strategy, too
}

// DefaultStrategies in the order in which they are told.
func DefaultStrategies() []string {
	return []string{report.None, report.NoWait, report.Row, report.Advisory}
}

// Cells is how many cells there will be.
func (s Settings) Cells() int { return s.Rounds * len(s.setups(0)) }

// setups of a round, those beside each other that are compared with each other.
// Each round begins with another strategy, so that none is always the first.
func (s Settings) setups(round int) []report.Setup {
	var all []report.Setup
	for _, latency := range s.Latencies {
		for _, runners := range s.Runners {
			first := round % len(s.Strategies)
			for _, strategy := range slices.Concat(s.Strategies[first:], s.Strategies[:first]) {
				for _, claim := range s.claimSizes(strategy) {
					all = append(all, report.Setup{
						Strategy: strategy, Runners: runners, LatencyMS: float64(latency) / float64(time.Millisecond), ClaimSize: claim,
					})
				}
			}
		}
	}
	return all
}

func (s Settings) claimSizes(strategy string) []int {
	if strategy == report.None || strategy == report.NoWait {
		return []int{0}
	}
	return s.ClaimSizes
}

// invoices of a cell.
func (s Settings) invoices(setup report.Setup) int {
	latency := latencyOf(setup)
	if latency <= 0 {
		return s.Invoices
	}
	return min(s.Invoices, max(1, int(cellTime/latency))*s.Concurrency)
}

func latencyOf(s report.Setup) time.Duration {
	return time.Duration(s.LatencyMS * float64(time.Millisecond))
}

// connections that the largest cell and its meter may need: a naive server has
// one a worker, and one of Billonce's six.
func (s Settings) connections() int {
	const billonce, ours = 6, 3
	return slices.Max(s.Runners)*max(billonce, s.Concurrency+1) + ours
}
