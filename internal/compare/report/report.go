// Package report is what a comparison has found: data, and writers of it for a
// terminal, for programs and for a browser. It measures
// nothing, and knows no database.
package report

import (
	"slices"
	"time"
)

// Version changes with the meaning of the JSON's fields (docs/comparison.md).
const Version = 2

// The strategies, as they are named everywhere.
const (
	None     = "none"
	NoWait   = "nowait"
	Row      = "row"
	Advisory = "advisory"
)

// Report is a whole comparison.
type Report struct {
	Version     int        `json:"version"`
	Conclusions []string   `json:"conclusions"` // in words, computed from what follows
	Conditions  Conditions `json:"conditions"`
	Results     []Result   `json:"results"`
	Ratios      []Ratio    `json:"ratios"`
	Drills      []Drill    `json:"drills"`
	Samples     []Sample   `json:"samples"`
}

// Conditions are what was measured on what.
type Conditions struct {
	Program     string    `json:"program"` // and its version
	PostgreSQL  string    `json:"postgresql"`
	OwnServer   bool      `json:"own_server"` // else a temporary one with default settings
	CPUs        int       `json:"cpus"`       // of the machine that the runners were on
	System      string    `json:"system"`
	Began       time.Time `json:"began"`
	Seconds     float64   `json:"seconds"` // for all of it
	Rounds      int       `json:"rounds"`
	Concurrency int       `json:"concurrency"` // requests in flight, of each runner
}

// Scenario is what a sample tries.
type Scenario struct {
	Strategy  string  `json:"strategy"`
	Runners   int     `json:"runners"`
	LatencyMS float64 `json:"latency_ms"` // of the billing API
	ClaimSize int     `json:"claim_size"` // 0: the strategy has no claims
}

// Sample is a scenario in one round.
type Sample struct {
	Scenario
	Round    int `json:"round"`
	Invoices int `json:"invoices"`

	Seconds        float64 `json:"seconds"`    // from the starting signal until the last invoice was marked
	Requests       int     `json:"requests"`   // by the API's count, as the next one
	Duplicates     int     `json:"duplicates"` // invoices that were billed more than once
	P50MS          float64 `json:"p50_ms"`     // from claim to settled, as the next two
	P95MS          float64 `json:"p95_ms"`
	P99MS          float64 `json:"p99_ms"`
	Connections    int     `json:"connections"`     // most at the same time
	Transactions   int64   `json:"transactions"`    // with the runners' starts and ends
	Commits        int64   `json:"commits"`         // transactions that wrote, from the signal on
	WALBytes       int64   `json:"wal_bytes"`       // from the signal on
	DirtiedPages   *int64  `json:"dirtied_pages"`   // null where no checkpoint may be asked for
	LockEntries    int     `json:"lock_entries"`    // in the shared lock table, most at the same time
	Held           int     `json:"held"`            // candidates that somebody else had locked
	HorizonSeconds float64 `json:"horizon_seconds"` // longest that one transaction held vacuum back
	DeadTuples     int64   `json:"dead_tuples"`     // left behind
}

// Result is a scenario over all rounds: a Spread for each measure, by its key.
type Result struct {
	Scenario
	Invoices int               `json:"invoices"`
	Measures map[string]Spread `json:"measures"`
}

// Drill is a strategy's crash drill: one of two runners is killed.
type Drill struct {
	Strategy    string  `json:"strategy"`
	Keys        bool    `json:"keys"` // the API honours idempotency keys, and the runner sends them
	Invoices    int     `json:"invoices"`
	Killed      string  `json:"killed"`
	KilledAtMS  float64 `json:"killed_at_ms"` // after the starting signal
	DoneSeconds float64 `json:"done_seconds"` // from the kill until nothing was left to do
	MoreRuns    int     `json:"more_runs"`    // that had to be started until then
	Requests    int     `json:"requests"`
	BilledTwice int     `json:"billed_twice"`
	InDoubt     int     `json:"in_doubt"`
	Events      []Event `json:"events"` // the requests, as they came
}

// Event is a request as the API saw it.
type Event struct {
	Runner  string  `json:"runner"`
	Invoice string  `json:"invoice"`
	FromMS  float64 `json:"from_ms"` // after the starting signal, as the next one
	ToMS    float64 `json:"to_ms"`
	Kind    Kind    `json:"kind"`
}

// Kind is what came of a request.
type Kind string

// The kinds.
const (
	Billed   Kind = "billed"   // the first effect
	Twice    Kind = "twice"    // an effect too many
	Repeated Kind = "repeated" // under a known key: no second effect
	Doubtful Kind = "doubtful" // its runner died before it knew what came of it: in doubt
)

// New draws samples together; scenarios come in the order of their first samples.
func New(c Conditions, samples []Sample, drills []Drill) Report {
	r := Report{
		Version: Version, Conditions: c, Samples: samples, Drills: drills,
		Results: []Result{}, Ratios: []Ratio{},
	}
	byScenario := map[Scenario][]Sample{}
	var order []Scenario
	for _, sample := range samples {
		if byScenario[sample.Scenario] == nil {
			order = append(order, sample.Scenario)
		}
		byScenario[sample.Scenario] = append(byScenario[sample.Scenario], sample)
	}
	for _, s := range order {
		r.Results = append(r.Results, newResult(s, byScenario[s]))
		if s.Strategy != Advisory {
			continue
		}
		base := s
		base.Strategy = Row
		r.Ratios = append(r.Ratios, newRatios(s, byScenario[base], byScenario[s])...)
	}
	r.Conclusions = r.conclude()
	return r
}

func newResult(s Scenario, samples []Sample) Result {
	r := Result{Scenario: s, Invoices: samples[0].Invoices, Measures: map[string]Spread{}}
	for _, m := range measures() {
		var values []float64
		for _, c := range samples {
			if v, ok := m.of(c); ok {
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			r.Measures[m.key] = spreadOf(values)
		}
	}
	return r
}

// Duplicates is how many invoices were billed more than once by Billonce, in any
// sample or drill: by what is under test, and not by what it is compared with.
func (r Report) Duplicates() (n int) {
	for _, c := range r.Samples {
		if isBillonce(c.Strategy) {
			n += c.Duplicates
		}
	}
	for _, d := range r.Drills {
		if isBillonce(d.Strategy) {
			n += d.BilledTwice
		}
	}
	return n
}

func isBillonce(strategy string) bool { return strategy == Row || strategy == Advisory }

// distinct returns the results' distinct values, in order.
func distinct[T int | float64 | string](results []Result, value func(Result) T) []T {
	var all []T
	for _, r := range results {
		if v := value(r); !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}
