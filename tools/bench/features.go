package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/billonce/billonce/tools/lab"
)

// features shows what each setting that not everybody has costs who uses it: the same run
// with it and without any, in turn.
func (b bencher) features(ctx context.Context, out io.Writer, o options) error {
	const lookup = "a look-up"
	var all []contestant
	for _, f := range []struct {
		name, index string // the index that it needs, on the invoices
		environment []string
	}{
		{name: "none of them"},
		{name: "a rule on a status", environment: []string{"BILLING_OUTCOMES=409 -> accepted"}},
		{name: "two on the body", environment: []string{"BILLING_OUTCOMES=2xx if has(body.errors) -> refused\n2xx if has(body.id) -> accepted"}},
		{name: lookup},
		{name: "a rate", environment: []string{"BILLING_RATE=1000000"}},
		{name: "one per customer", environment: []string{"INVOICES_ONE_PER=customer"}, index: "create index bench_idx on invoices (customer, id) where pending"},
		{name: "amounts", environment: []string{"INVOICES_AMOUNT=amount_cents", "INVOICES_CURRENCY=currency"}},
	} {
		s := scenario{invoices: o.invoices, concurrency: 64, runners: 1, environment: append([]string{keys}, f.environment...)}
		all = append(all, contestant{
			name: f.name, scenario: s,
			prepare: func(ctx context.Context) error {
				return errors.Join(b.Seed(ctx, s.invoices), b.Execute(ctx, "drop index if exists bench_idx", f.index))
			},
			call: func(ctx context.Context, a lab.API) (used, error) {
				if f.name == lookup {
					return b.run(s, "BILLING_LOOKUP_URL="+a.Lookup())(ctx, a)
				}
				return b.run(s)(ctx, a)
			},
		})
	}
	costs, err := b.inTurn(ctx, o.rounds, all)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d invoices, no latency, with keys\n\n%-20s %-20s %-20s %s\n", o.invoices, "", "seconds", "ratio", "the runner's CPU µs an invoice")
	plain := each(costs[0], seconds)
	for i, c := range all {
		took := each(costs[i], seconds)
		ratios := slices.Clone(took)
		for n := range ratios {
			ratios[n] /= plain[n]
		}
		fmt.Fprintf(out, "%-20s %-20s %-20s %s\n", c.name, spread(took), spread(ratios),
			spread(each(costs[i], func(c cost) float64 { return c.cpu * 1e6 / float64(o.invoices) })))
	}
	return nil
}
