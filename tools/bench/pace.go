package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// limited is an API that takes no more than so much.
type limited struct {
	name, limit string
	latency     time.Duration
	perSecond   float64 // invoices, at best
	burst       float64 // that it takes at once, at first
}

// paceFor is how long a run takes at best.
const paceFor = time.Minute

// pace shows how near runs come to what an API with a limit takes, and how many requests
// that costs.
func (b bencher) pace(ctx context.Context, out io.Writer, _ options) error {
	const latency = 100 * time.Millisecond
	fmt.Fprintf(out, "%s latency, %s at best, CONCURRENCY=64 each\n\n%-10s %-8s %8s %9s %9s %20s %20s\n",
		latency, paceFor, "limit", "", "runners", "invoices", "seconds", "share of the limit", "requests an invoice")
	for _, l := range []limited{
		{"5/s", "5", latency, 5, 5},
		{"25/s", "25", latency, 25, 25},
		{"200/s", "200", latency, 200, 200},
		{"5 at once", "at_once=5", latency, 5 / latency.Seconds(), 0},
	} {
		for _, keys := range []string{"true", "false"} {
			for _, runners := range []int{1, 3} {
				if err := b.pacedRun(ctx, out, l, keys, runners); err != nil {
					return fmt.Errorf("%s, keys %s, %d runners: %w", l.name, keys, runners, err)
				}
			}
		}
	}
	return nil
}

func (b bencher) pacedRun(ctx context.Context, out io.Writer, l limited, keys string, runners int) error {
	s := scenario{
		Invoices: int(l.perSecond*paceFor.Seconds() + l.burst), Concurrency: 64,
		Environment: []string{"BILLING_IDEMPOTENT=" + keys, "RUN_LOCK=shared", "RUN_CANARY=0"},
	}
	if _, err := b.runBatch(ctx, nil, "seed", strconv.Itoa(s.Invoices)); err != nil {
		return err
	}
	api, err := startAPI(ctx, b.self, l.latency, l.limit)
	if err != nil {
		return err
	}
	began := time.Now()
	err = b.together(ctx, s, api.url, make([]summary, runners))
	took := time.Since(began).Seconds()
	sum, _, cerr := api.close()
	if err = errors.Join(err, cerr); err != nil {
		return err
	}
	if sum.Billed != s.Invoices || len(sum.Duplicates) > 0 {
		return fmt.Errorf("%d of %d invoices were billed, %d twice", sum.Billed, s.Invoices, len(sum.Duplicates))
	}
	withKeys := map[string]string{"true": "keys", "false": "no keys"}[keys]
	fmt.Fprintf(out, "%-10s %-8s %8d %9d %9.1f %18.0f %% %20.2f\n", l.name, withKeys, runners, s.Invoices, took,
		100*float64(s.Invoices)/(took*l.perSecond+l.burst), float64(sum.Requests)/float64(s.Invoices))
	return nil
}

// limitOf reads a limit: none, so many requests a second, or at_once=5.
func limitOf(text string) ([]billingfake.Limit, error) {
	if text == "" {
		return nil, nil
	}
	if n, ok := strings.CutPrefix(text, "at_once="); ok {
		most, err := strconv.Atoi(n)
		return []billingfake.Limit{billingfake.NewAtOnce(most)}, err
	}
	rate, err := billingfake.ParseRate(text)
	return []billingfake.Limit{billingfake.NewRateLimit(rate)}, err
}
