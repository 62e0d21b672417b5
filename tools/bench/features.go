package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// feature is settings that not everybody has.
type feature struct {
	name        string
	environment []string
	index       string // which it needs, on the invoices
}

func features() []feature {
	return []feature{
		{"none of them", nil, ""},
		{"a rule on a status", []string{"BILLING_OUTCOMES=409 -> accepted"}, ""},
		{"two on the body", []string{"BILLING_OUTCOMES=2xx if has(body.errors) -> refused\n2xx if has(body.id) -> accepted"}, ""},
		{"a look-up", []string{"BILLING_LOOKUP_URL={lookup}"}, ""},
		{"a rate", []string{"BILLING_RATE=1000000"}, ""},
		{"one per customer", []string{"INVOICES_ONE_PER=customer"}, "(customer, id) where pending"},
		{"amounts", []string{"INVOICES_AMOUNT=amount_cents", "INVOICES_CURRENCY=currency"}, ""},
	}
}

// features shows what each feature costs who uses it: the same run with it and without
// any, in turn.
func (b bencher) features(ctx context.Context, out io.Writer, o options) error {
	all := features()
	seconds, cpu, ratio := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
	for n := range o.rounds + 1 {
		var plain float64
		for i, f := range all {
			s := scenario{Invoices: o.invoices, Concurrency: 64, Environment: append([]string{"BILLING_IDEMPOTENT=true"}, f.environment...)}
			if _, err := b.runBatch(ctx, nil, "seed", strconv.Itoa(s.Invoices)); err != nil {
				return err
			}
			if err := b.index(ctx, f.index); err != nil {
				return err
			}
			u, err := b.withAPI(ctx, s, func(url string) (*os.ProcessState, error) {
				for n, setting := range s.Environment {
					s.Environment[n] = strings.ReplaceAll(setting, "{lookup}", strings.TrimSuffix(url, "/send"))
				}
				return b.runAt(ctx, s, url)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			if i == 0 {
				plain = u.Seconds
			}
			if n > 0 { // the first one warms up
				seconds[i], ratio[i] = append(seconds[i], u.Seconds), append(ratio[i], u.Seconds/plain)
				cpu[i] = append(cpu[i], u.ClientCPU*1e6/float64(s.Invoices))
			}
		}
	}
	fmt.Fprintf(out, "%d invoices, no latency, with keys\n\n%-20s %-20s %-20s %s\n", o.invoices, "", "seconds", "ratio", "the runner's CPU µs an invoice")
	for i, f := range all {
		fmt.Fprintf(out, "%-20s %-20s %-20s %s\n", f.name, spread(seconds[i]), spread(ratio[i]), spread(cpu[i]))
	}
	return nil
}

// index makes the index that a feature needs, instead of the one before.
func (b bencher) index(ctx context.Context, on string) error {
	statement := "drop index if exists bench_idx"
	if on != "" {
		statement = "create index bench_idx on invoices " + on
	}
	if _, err := b.meter.Conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
