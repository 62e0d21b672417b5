package report

import (
	"fmt"
	"strings"
)

// sayUnprotected says what no lock, and the textbook's, came to.
func (r Report) sayUnprotected() string {
	for _, x := range r.Results {
		if x.Strategy == None && x.Runners > 1 && x.Runners == r.runnersMost() {
			return fmt.Sprintf("Unprotected: without a lock, %s billed %s of %s more than once.",
				plural(x.Runners, "runner", "runners"), thousands(x.Measures["duplicates"].Median), invoices(x.Invoices))
		}
	}
	return ""
}

// sayCrash says what became of a killed runner's invoices.
func (r Report) sayCrash() string {
	var parts []string
	for _, d := range r.Drills {
		if isBillonce(d.Strategy) && !d.Keys {
			continue
		}
		text := fmt.Sprintf("%s: %d billed twice, done after %s s", d.Strategy, d.BilledTwice, hundredths(d.DoneSeconds))
		if d.MoreRuns > 0 {
			text += fmt.Sprintf(" and %s", plural(d.MoreRuns, "more run", "more runs"))
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	return "Crash, one of two runners killed (kill -9) in mid-flight: " + strings.Join(parts, "; ") + "."
}

// sayDoubt: without keys nobody knows whether a killed runner's requests had an effect.
func (r Report) sayDoubt() string {
	var parts []string
	for _, d := range r.Drills {
		if isBillonce(d.Strategy) && !d.Keys {
			parts = append(parts, fmt.Sprintf("%s: %d billed twice, %d in doubt for a person", d.Strategy, d.BilledTwice, d.InDoubt))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "Doubt, the same crash where the API has no idempotency keys: " + strings.Join(parts, "; ") + "."
}
