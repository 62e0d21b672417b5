package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/billonce/billonce/internal/compare"
)

func checkComparison(f comparisonFlags) error {
	s, known := f.Settings, compare.DefaultStrategies()
	for i, strategy := range s.Strategies {
		if !slices.Contains(known, strategy) {
			return fmt.Errorf("--strategies: %q is none of %s", strategy, strings.Join(known, ", "))
		}
		if slices.Contains(s.Strategies[:i], strategy) {
			return fmt.Errorf("--strategies: %s is there twice", strategy)
		}
	}
	if len(s.Strategies) == 0 {
		return fmt.Errorf("--strategies: name one of %s at least", strings.Join(known, ", "))
	}
	for _, latency := range s.Latencies {
		if latency < 0 {
			return fmt.Errorf("--latency: %s is below 0s", latency)
		}
	}
	for _, flag := range []struct {
		name        string
		values      []int
		least, most int
	}{
		{"runners", s.Runners, 1, 64},
		{"claim-size", s.ClaimSizes, 1, 10_000},
		{"invoices", []int{s.Invoices}, 1, 10_000_000},
		{"rounds", []int{s.Rounds}, 1, 1000},
		{"concurrency", []int{s.Concurrency}, 1, 1000},
	} {
		for _, value := range flag.values {
			if value < flag.least || value > flag.most {
				return fmt.Errorf("--%s: %d is not between %d and %d", flag.name, value, flag.least, flag.most)
			}
		}
	}
	return nil
}
