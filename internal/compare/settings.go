package compare

import (
	"slices"
	"time"

	"github.com/billonce/billonce/internal/compare/report"
)

// sampleTime is about how long one runner is busy in a sample, where the API's latency
// is what limits it: a sample of slow requests has fewer invoices.
const sampleTime = time.Second

// Settings of a comparison: each combination is a scenario.
type Settings struct {
	Strategies  []string
	Runners     []int
	Latencies   []time.Duration // of the billing API
	ClaimSizes  []int           // of the strategies that have claims
	Invoices    int             // in a sample, at most
	Rounds      int
	Concurrency int           // requests in flight, of each runner
	Timeout     time.Duration // of a request; 0: what suits
	Drill       bool          // crash each strategy, too
}

// DefaultStrategies in the order in which they are told.
func DefaultStrategies() []string {
	return []string{report.None, report.NoWait, report.Row, report.Advisory}
}

// Samples is how many samples there will be.
func (s Settings) Samples() int { return s.Rounds * len(s.scenarios(0)) }

// scenarios of a round, those beside each other that are compared with each other.
// Each round begins with another strategy, so that none is always the first.
func (s Settings) scenarios(round int) []report.Scenario {
	var all []report.Scenario
	for _, latency := range s.Latencies {
		for _, runners := range s.Runners {
			first := round % len(s.Strategies)
			for _, strategy := range slices.Concat(s.Strategies[first:], s.Strategies[:first]) {
				for _, claim := range s.claimSizes(strategy) {
					all = append(all, report.Scenario{
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

// invoices of a sample.
func (s Settings) invoices(scenario report.Scenario) int {
	latency := latencyOf(scenario)
	if latency <= 0 {
		return s.Invoices
	}
	return min(s.Invoices, max(1, int(sampleTime/latency))*s.Concurrency)
}

func latencyOf(s report.Scenario) time.Duration {
	return time.Duration(s.LatencyMS * float64(time.Millisecond))
}

// connections that the largest sample and its meter may need: a naive server has
// one a sender, and one of Billonce's six.
func (s Settings) connections() int {
	const billonce, ours = 6, 3
	return slices.Max(s.Runners)*max(billonce, s.Concurrency+1) + ours
}
