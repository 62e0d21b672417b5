package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// Demo lets servers bill the same invoices: alone, without a lock, with the
// textbook's, and with Billonce.
type Demo struct {
	Program  Program
	URL      string        // a database in which a schema may be made, and is removed
	Invoices int           // in the last scenario twice as many; with less than two, one of its servers would be idle
	Latency  time.Duration // of the billing API in the first scenario; shorter later
	Out      io.Writer
	Color    bool
}

// DemoResult is what the API has counted.
type DemoResult struct {
	Scenarios  []Counts `json:"scenarios"`
	AsExpected bool     `json:"as_expected"`
}

// Run goes through all scenarios.
func (d Demo) Run(ctx context.Context) (all DemoResult, err error) {
	t := &testbed{program: d.Program, url: d.URL}
	if err := t.open(ctx, 0); err != nil {
		return all, err
	}
	defer func() { err = errors.Join(err, t.close(ctx)) }()
	all.AsExpected = true
	for i, sc := range d.scenarios() {
		fmt.Fprintf(d.Out, "\n%d. %s\n%s\n\n", i+1, sc.name, sc.opening)
		s, err := d.scenario(ctx, t, sc)
		if err != nil {
			return all, fmt.Errorf("%s: %w", sc.name, err)
		}
		all.Scenarios = append(all.Scenarios, s)
		all.AsExpected = all.AsExpected && s.are(sc.want)
		fmt.Fprintf(d.Out, "\n%s\n", count(s))
	}
	d.writeTable(all)
	return all, nil
}

func (d Demo) scenario(ctx context.Context, t *testbed, sc scenario) (s Counts, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := t.refill(ctx, sc.invoices); err != nil {
		return s, err
	}
	keys := !isNaive(sc.strategy) && !sc.noKeys
	log := newDemoLog(d.Out, d.Color, keys)
	crash := &crash{effects: 1, tell: log.killed}
	if sc.kill {
		crash.runner = serverA
	}
	api := billingfake.Config{
		Idempotent: keys, Latency: sc.latency,
		Before: func(r billingfake.Received) { log.arrived(ctx, r) },
		After:  func(r billingfake.Received) { crash.acted(ctx, r) },
	}
	seen, err := withAPI(ctx, api, func(billingURL string) error {
		// Before the API is closed, nobody may wait in it for a server that has ended.
		defer stop()
		for i, names := range sc.groups {
			if sc.restore && i > 0 {
				if err := t.restore(ctx, sc.invoices); err != nil {
					return err
				}
				log.restored()
			}
			if err := d.runGroup(ctx, t, sc, names, billingURL, log, crash); err != nil {
				return err
			}
		}
		return nil
	})
	s = log.counts()
	s.Name, s.Lesson, s.Invoices = sc.name, sc.lesson, sc.invoices
	s.Requests, s.Effects, s.BilledTwice = seen.Requests, seen.Effects, len(seen.Duplicates)
	return s, err
}

// runGroup waits for the servers' ends, of whatever kind. Each takes one invoice at a
// time, so that all have something to do in so short a list.
func (d Demo) runGroup(ctx context.Context, t *testbed, sc scenario, names []string, billingURL string, log *demoLog, crash *crash) error {
	var all []process
	for _, name := range names {
		p, err := t.process(runner{name: name, strategy: sc.strategy, claim: 1, senders: 1, keys: !sc.noKeys, timeout: naiveTimeout}, billingURL)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	log.expect(names)
	crash.run(ctx, t.program, all, func(name string, err error) {
		if err != nil && ctx.Err() == nil {
			log.failed(name, err)
		}
		log.left(name)
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return t.meter.AwaitGone(ctx)
}
