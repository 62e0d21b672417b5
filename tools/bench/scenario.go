package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/billonce/billonce/tools/lab"
)

// scenario is one way to run.
type scenario struct {
	name        string
	invoices    int
	latency     time.Duration
	concurrency int // of all runners together
	runners     int
	environment []string
}

const keys = "BILLING_IDEMPOTENT=true"

func scenarios(invoices int) []scenario {
	const row = "LOCK_STRATEGY=row"
	return []scenario{
		{"no latency, advisory, keys", invoices, 0, 64, 1, []string{keys}},
		{"no latency, advisory, no keys", invoices, 0, 64, 1, nil},
		{"no latency, row, keys", invoices, 0, 64, 1, []string{keys, row}},
		{"no latency, row, no keys", invoices, 0, 64, 1, []string{row}},
		{"20 ms, advisory, keys", invoices, 20 * time.Millisecond, 256, 1, []string{keys}},
		{"20 ms, advisory, no keys", invoices, 20 * time.Millisecond, 256, 1, nil},
		{"20 ms, row, keys", invoices, 20 * time.Millisecond, 256, 1, []string{keys, row}},
		{"1 s, advisory, keys", invoices / 10, time.Second, 1000, 1, []string{keys}},
		{"1 s, advisory, no keys", invoices / 10, time.Second, 1000, 1, nil},
		{"20 ms, two runners, keys", invoices, 20 * time.Millisecond, 256, 2, []string{keys}},
		{"20 ms, two runners, no keys", invoices, 20 * time.Millisecond, 256, 2, nil},
		{"20 ms, two runners, row, keys", invoices, 20 * time.Millisecond, 256, 2, []string{keys, row}},
	}
}

// contestants are who sends a scenario's invoices: the bare loop first, then the run.
func (b bencher) contestants(s scenario) []contestant {
	size := []string{strconv.Itoa(s.invoices), strconv.Itoa(s.concurrency)}
	all := []contestant{
		{name: "bare loop", scenario: s, call: func(ctx context.Context, a lab.API) (used, error) {
			return one(lab.RunOther(ctx, b.self, append([]string{"loop", a.Billing()}, size...)...))
		}},
		{name: s.name, scenario: s, prepare: b.seeds(s), call: b.run(s)},
	}
	if b.against != "" {
		other, book := b, *b.Book
		book.Program, other.Book = b.against, &book
		all = append(all, contestant{name: "  the same by the other build", scenario: s, prepare: b.seeds(s), call: other.run(s)})
	}
	if b.river != "" {
		all = append(all, contestant{
			name: "  the same by River", scenario: s,
			prepare: func(ctx context.Context) error {
				return errors.Join(b.Execute(ctx, "truncate river_job"), b.Seed(ctx, s.invoices))
			},
			// From putting them into its queue to the last one marked.
			call: func(ctx context.Context, a lab.API) (used, error) {
				return one(lab.RunOther(ctx, b.river, "run", b.URL(), a.Billing(), size[1]))
			},
		})
	}
	return all
}

// seeds adds a scenario's invoices.
func (b bencher) seeds(s scenario) func(context.Context) error {
	return func(ctx context.Context) error { return b.Seed(ctx, s.invoices) }
}

// run sends by as many runners as the scenario has.
func (b bencher) run(s scenario, more ...string) call {
	return func(ctx context.Context, a lab.API) (used, error) {
		if s.runners > 1 {
			each := s
			each.concurrency /= s.runners
			each.environment = append(slices.Clone(s.environment), "RUN_LOCK=shared")
			_, err := b.together(ctx, each, a)
			return used{}, err
		}
		return one(b.Run(ctx, append(s.settings(a), more...), "run"))
	}
}

// settings are a runner's.
func (s scenario) settings(a lab.API) []string {
	return append(slices.Clone(s.environment), "BILLING_URL="+a.Billing(), "CONCURRENCY="+strconv.Itoa(s.concurrency))
}
