package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/billonce/billonce/tools/lab"
)

// pace shows how near runs come to what an API with a limit takes, and how many requests
// that costs.
func (b bencher) pace(ctx context.Context, out io.Writer, _ options) error {
	const latency, atBest = 100 * time.Millisecond, time.Minute
	fmt.Fprintf(out, "%s latency, %s at best, CONCURRENCY=64 each\n\n%-10s %-8s %8s %9s %9s %20s %20s\n",
		latency, atBest, "limit", "", "runners", "invoices", "seconds", "share of the limit", "requests an invoice")
	for _, l := range []struct {
		name, flag, limit string
		perSecond         float64 // invoices, at best
		burst             float64 // that it takes at once, at first
	}{
		{"5/s", "--rate", "5", 5, 5},
		{"25/s", "--rate", "25", 25, 25},
		{"200/s", "--rate", "200", 200, 200},
		{"5 at once", "--at-once", "5", 5 / latency.Seconds(), 0},
	} {
		for _, with := range []string{"keys", "no keys"} {
			for _, runners := range []int{1, 3} {
				s := scenario{
					invoices: int(l.perSecond*atBest.Seconds() + l.burst), latency: latency, concurrency: 64, runners: runners,
					environment: []string{fmt.Sprintf("BILLING_IDEMPOTENT=%t", with == "keys"), "RUN_LOCK=shared"},
				}
				c, err := b.measure(ctx, contestant{
					scenario: s, prepare: b.seeds(s), limits: []string{l.flag, l.limit}, repeats: true,
					call: func(ctx context.Context, a lab.API) (u used, err error) {
						_, err = b.together(ctx, s, a)
						return u, err
					},
				})
				if err != nil {
					return fmt.Errorf("%s, %s, %d runners: %w", l.name, with, runners, err)
				}
				fmt.Fprintf(out, "%-10s %-8s %8d %9d %9.1f %18.0f %% %20.2f\n", l.name, with, runners, s.invoices, c.seconds,
					100*float64(s.invoices)/(c.seconds*l.perSecond+l.burst), float64(c.account.Requests)/float64(s.invoices))
			}
		}
	}
	return nil
}
