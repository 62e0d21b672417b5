package compare

import (
	"slices"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/compare/report"
)

func TestScenarios(t *testing.T) {
	t.Parallel()
	s := Settings{
		Strategies: DefaultStrategies(), Runners: []int{1, 4}, Latencies: []time.Duration{0, 20 * time.Millisecond},
		ClaimSizes: []int{50, 500}, Rounds: 3,
	}
	// Of each runners and latency: two strategies without claims, two with either size.
	first, second := s.scenarios(0), s.scenarios(1)
	if len(first) != 24 || s.Samples() != 72 {
		t.Errorf("want 24 scenarios and 72 samples, got %d and %d", len(first), s.Samples())
	}
	if first[0].Strategy != report.None || second[0].Strategy != report.NoWait {
		t.Errorf("want rounds to begin with another strategy, got %s and %s", first[0].Strategy, second[0].Strategy)
	}
	for _, scenario := range first {
		if !slices.Contains(second, scenario) {
			t.Errorf("want every round to have %+v", scenario)
		}
	}
	if len(s.scenarios(7)) != 24 {
		t.Error("want any number of rounds")
	}
}

func TestInvoicesOfASample(t *testing.T) {
	t.Parallel()
	s := Settings{Invoices: 500, Concurrency: 8}
	for latency, want := range map[float64]int{0: 500, 1: 500, 20: 400, 200: 40, 5000: 8} {
		if got := s.invoices(report.Scenario{LatencyMS: latency}); got != want {
			t.Errorf("an API that takes %v ms: want %d invoices, got %d", latency, want, got)
		}
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i+1) / 1000
	}
	for p, want := range map[float64]float64{50: 50, 95: 95, 99: 99, 100: 100, 0: 1} {
		if got := percentile(hundred, p); got != want {
			t.Errorf("p%v: want %v ms, got %v", p, want, got)
		}
	}
	if got := percentile([]float64{0.25}, 99); got != 250 {
		t.Errorf("one value: want 250 ms, got %v", got)
	}
}

func TestURLFor(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://u:p@h:1/db?sslmode=disable&application_name=mine": "postgres://u:p@h:1/db?application_name=billonce_compare_x%2F2&sslmode=disable",
		"postgresql://h/db":                 "postgresql://h/db?application_name=billonce_compare_x%2F2",
		"host=h dbname=d":                   "host=h dbname=d application_name=billonce_compare_x/2",
		"host=h dbname=d application_name=": "host=h dbname=d application_name= application_name=billonce_compare_x/2",
	} {
		s := &testbed{schema: "billonce_compare_x", url: url}
		if got := s.urlFor("2"); got != want {
			t.Errorf("%s: want %s, got %s", url, want, got)
		}
	}
}
