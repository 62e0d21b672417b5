package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/tools/lab"
)

// contestant is one of several that do the same in turn.
type contestant struct {
	name string
	scenario
	prepare func(context.Context) error // nil: nothing
	call
	limits  []string // of the API (batch fake-api)
	repeats bool     // some invoices may be asked for again
}

// call has the invoices sent to an API.
type call func(context.Context, lab.API) (used, error)

// used is what a process has used; nothing where several ran.
type used struct {
	cpu float64 // in seconds
	rss float64 // at its peak, in MiB
}

// one is a process that has ended.
func one(p *os.ProcessState, err error) (used, error) {
	if p == nil {
		return used{}, err
	}
	u := used{cpu: (p.UserTime() + p.SystemTime()).Seconds()}
	if r, ok := p.SysUsage().(*syscall.Rusage); ok {
		u.rss = float64(r.Maxrss) / 1024 // the system counts in KiB (getrusage(2) on Linux)
	}
	return u, err
}

// cost is what it took to have all invoices sent once.
type cost struct {
	used     // by the client
	seconds  float64
	api      used
	database spent
	account  billingfake.Summary
}

// inTurn has each do it, round by round: costs[i] are the i-th one's. The first round
// warms up.
func (b bencher) inTurn(ctx context.Context, rounds int, all []contestant) (costs [][]cost, err error) {
	costs = make([][]cost, len(all))
	for n := range rounds + 1 {
		for i, c := range all {
			measured, err := b.measure(ctx, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if n > 0 {
				costs[i] = append(costs[i], measured)
			}
		}
	}
	return costs, nil
}

// measure has a contestant do it once, with an API of its own, whose account is the judge:
// each invoice billed once.
func (b bencher) measure(ctx context.Context, c contestant) (m cost, err error) {
	if c.prepare != nil {
		if err := c.prepare(ctx); err != nil {
			return m, err
		}
	}
	api, err := b.StartAPI(ctx, append([]string{"--idempotent", "--latency", c.latency.String()}, c.limits...)...)
	if err != nil {
		return m, err
	}
	m, err = b.metered(ctx, c, api)
	a, aerr := api.Account(ctx)
	stopped, serr := one(api.Stop())
	if err = errors.Join(err, aerr, serr); err != nil {
		return m, err
	}
	m.account, m.api = a, stopped
	if a.Billed != c.invoices || len(a.Duplicates) > 0 || a.Requests != c.invoices && !c.repeats {
		return m, fmt.Errorf("%d invoices: %d were billed, %d more than once, by %d requests", c.invoices, a.Billed, len(a.Duplicates), a.Requests)
	}
	return m, nil
}

func (b bencher) metered(ctx context.Context, c contestant, api lab.API) (m cost, err error) {
	meter, err := b.startMeter(ctx)
	if err != nil {
		return m, err
	}
	began := time.Now()
	m.used, err = c.call(ctx, api)
	m.seconds = time.Since(began).Seconds()
	spent, merr := meter.stop(ctx)
	m.database = spent
	return m, errors.Join(err, merr)
}

func each(costs []cost, f func(cost) float64) []float64 {
	values := make([]float64, len(costs))
	for i, c := range costs {
		values[i] = f(c)
	}
	return values
}

func seconds(c cost) float64 { return c.seconds }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func spread(values []float64) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(values), slices.Min(values), slices.Max(values))
}
