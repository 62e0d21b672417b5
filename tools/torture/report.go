package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// counts are what a round came to, or all of them.
type counts struct {
	States         map[billing.State]int `json:"states"`
	Requests       int                   `json:"requests"`
	Effects        int                   `json:"effects"`
	Faults         map[string]int        `json:"faults"`
	APIFaults      map[string]int        `json:"api_faults"`
	Exits          map[string]int        `json:"exits"`
	NeedlessDoubts int                   `json:"in_doubt_without_effect"`
	FalseDoubts    int                   `json:"false_doubts"`            // in doubt, and no request ever arrived
	Unwitnessed    int                   `json:"unwitnessed"`             // requests about which the ledger could not be asked in time
	Lost           int                   `json:"lost_requests,omitempty"` // by a fail-over
	Early          []string              `json:"unexpected_ends,omitempty"`
	Violations     []string              `json:"violations"`
	Seconds        float64               `json:"seconds"`
}

// report is what one round came to.
type report struct {
	setting
	counts
	Logs  string `json:"logs,omitempty"`
	Again string `json:"again,omitempty"`
}

func (r report) line() string {
	return fmt.Sprintf("seed %d (%s): %d invoices: %s; %d requests; faults: %s; exits: %s; %.1f s",
		r.Seed, r.setting, r.Invoices, words(r.States), r.Requests, words(r.Faults), words(r.Exits), r.Seconds)
}

// total adds up rounds.
type total struct {
	counts
	Rounds      int      `json:"rounds"`
	Seed        uint64   `json:"seed"` // of the first round
	Invoices    int      `json:"invoices"`
	Processes   int      `json:"processes"`
	Early       int      `json:"unexpected_ends"` // how many, as the next
	Violations  int      `json:"violations"`
	FailedSeeds []uint64 `json:"failed_seeds"`
}

func (t *total) add(r report) {
	if t.Rounds == 0 {
		t.Seed, t.FailedSeeds = r.Seed, []uint64{}
		t.States, t.Faults, t.APIFaults, t.Exits = map[billing.State]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	}
	t.Rounds++
	t.Invoices += r.Invoices
	t.Requests += r.Requests
	t.Effects += r.Effects
	t.NeedlessDoubts += r.NeedlessDoubts
	t.FalseDoubts += r.FalseDoubts
	t.Unwitnessed += r.Unwitnessed
	t.Lost += r.Lost
	t.Early += len(r.Early)
	t.Violations += len(r.Violations)
	addCounts(t.States, r.States)
	addCounts(t.Faults, r.Faults)
	addCounts(t.APIFaults, r.APIFaults)
	addCounts(t.Exits, r.Exits)
	for _, n := range r.Exits {
		t.Processes += n
	}
	if len(r.Violations) > 0 {
		t.FailedSeeds = append(t.FailedSeeds, r.Seed)
	}
}

func (t total) lines() []string {
	return []string{
		fmt.Sprintf("%d rounds from seed %d in %.0f s: %d invoices (%s), %d requests, %d effects", t.Rounds, t.Seed, t.Seconds, t.Invoices, words(t.States), t.Requests, t.Effects),
		"faults: " + words(t.Faults),
		"faults of the API: " + words(t.APIFaults),
		fmt.Sprintf("%d processes ended: %s", t.Processes, words(t.Exits)),
		fmt.Sprintf("in doubt without an effect: %d, of them without a request: %d", t.NeedlessDoubts, t.FalseDoubts),
		fmt.Sprintf("violations: %d %v", t.Violations, t.FailedSeeds),
	}
}

func addCounts[K comparable](into, from map[K]int) {
	for k, n := range from {
		into[k] += n
	}
}

func words[K ~string](counts map[K]int) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s %d", k, counts[k]))
	}
	return strings.Join(all, ", ")
}

// durations are told by their median and their worst.
type durations []time.Duration

func (d durations) medianAndWorst() (median, worst time.Duration) {
	if len(d) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2], sorted[len(sorted)-1]
}

func (d durations) String() string {
	median, worst := d.medianAndWorst()
	return fmt.Sprintf("median %.2f s, worst %.2f s of %d", median.Seconds(), worst.Seconds(), len(d))
}

// MarshalJSON implements json.Marshaler.
func (d durations) MarshalJSON() ([]byte, error) {
	median, worst := d.medianAndWorst()
	return json.Marshal(map[string]any{"n": len(d), "median": median.Seconds(), "worst": worst.Seconds()})
}
