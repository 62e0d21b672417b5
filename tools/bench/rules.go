package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
)

// rules shows what it costs that the user says what replies mean: the same run with
// nothing said, with a rule that needs no body, and with two conditions on one, in turn.
func (b bencher) rules(ctx context.Context, out io.Writer, o options) error {
	ways := []struct{ name, rules string }{
		{"no rules", ""},
		{"a status", "BILLING_OUTCOMES=409 -> accepted"},
		{"two conditions", `BILLING_OUTCOMES=2xx if has(body.errors) -> refused
2xx if has(body.id) -> accepted`},
	}
	seconds, cpu := make([][]float64, len(ways)), make([][]float64, len(ways))
	for n := range o.rounds + 1 {
		for i, way := range ways {
			s := scenario{Invoices: o.invoices, Concurrency: 64, Environment: []string{"BILLING_IDEMPOTENT=true", way.rules}}
			if _, err := b.runBatch(ctx, nil, "seed", strconv.Itoa(s.Invoices)); err != nil {
				return err
			}
			u, err := b.withAPI(ctx, s, func(url string) (*os.ProcessState, error) { return b.runAt(ctx, s, url) })
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			if n > 0 { // the first one warms up
				seconds[i] = append(seconds[i], u.Seconds)
				cpu[i] = append(cpu[i], u.ClientCPU*1e6/float64(s.Invoices))
			}
		}
	}
	fmt.Fprintf(out, "%d invoices, no latency, with keys\n\n%-16s %-20s %s\n", o.invoices, "", "seconds", "the runner's CPU µs an invoice")
	for i, way := range ways {
		fmt.Fprintf(out, "%-16s %-20s %s\n", way.name, spread(seconds[i]), spread(cpu[i]))
	}
	return nil
}
