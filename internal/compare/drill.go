package compare

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/compare/report"
)

// A crash drill is small, so that each of its requests is seen on the timeline.
const (
	drillInvoices    = 40
	drillConcurrency = 4
	drillLatency     = 150 * time.Millisecond
	drillTimeout     = 2 * time.Second // what a doubt waits for
	drillMoreRuns    = 3
	nextRun          = "next run"
)

// plannedDrills are those that there will be. Without keys an unknown effect is a
// doubt, but only for who has a ledger.
func (c Comparison) plannedDrills() []report.Drill {
	var all []report.Drill
	for _, keys := range []bool{true, false} {
		for _, strategy := range c.Strategies {
			if keys || !isNaive(strategy) {
				all = append(all, report.Drill{
					Strategy: strategy, Keys: keys && !isNaive(strategy), Invoices: drillInvoices, Killed: runnerName(1),
				})
			}
		}
	}
	return all
}

func (c Comparison) drills(ctx context.Context, t *testbed) ([]report.Drill, error) {
	all := []report.Drill{}
	if !c.Drill {
		return all, nil
	}
	c.Concurrency, c.Timeout = drillConcurrency, drillTimeout
	for _, d := range c.plannedDrills() {
		c.progress("crash drill")
		if err := c.drill(ctx, t, &d); err != nil {
			return nil, fmt.Errorf("crash %s: %w", d.Strategy, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// drill kills one of two runners as the API has acted on the first of its second
// handful of requests, and lets the other finish; where something is left to do,
// further runs do it, as many as it takes.
func (c Comparison) drill(ctx context.Context, t *testbed, d *report.Drill) error {
	if err := t.refill(ctx, drillInvoices); err != nil {
		return err
	}
	if err := t.meter.Start(ctx); err != nil {
		return err
	}
	line := newTimeline()
	crash := &crash{runner: d.Killed, effects: drillConcurrency + 1, tell: func(time.Time, string) {}}
	api := billingfake.Config{
		Idempotent: d.Keys, Latency: drillLatency, Before: line.arrived,
		After: func(r billingfake.Received) {
			line.acted(r)
			crash.acted(ctx, r)
		},
	}
	r := c.runner(report.Scenario{Strategy: d.Strategy, ClaimSize: c.claimSizes(d.Strategy)[0]}, d.Keys)
	account, err := withAPI(ctx, api, func(billingURL string) error {
		both, err := t.processes(r, 2, billingURL)
		if err != nil {
			return err
		}
		_, err = t.together(ctx, len(both), func(ctx context.Context) error {
			faults := make(chan error, len(both))
			crash.run(ctx, t.program, both, func(_ string, err error) { faults <- expectedEnd(err) })
			return errors.Join(<-faults, <-faults)
		})
		if err != nil {
			return err
		}
		doubtful, err := t.finish(ctx, d, func() (process, error) {
			r.name, r.number = nextRun, len(both)+1+d.MoreRuns
			return t.process(r, billingURL)
		})
		d.InDoubt = len(doubtful)
		line.doubt(doubtful)
		return err
	})
	if err != nil {
		return err
	}
	if crash.at.IsZero() {
		return errors.New("nobody was killed: the runner had nothing to do")
	}
	after := crash.at.Sub(t.meter.Local)
	d.Requests, d.BilledTwice, d.Events = account.Requests, len(account.Duplicates), line.events(t.meter.Local)
	d.KilledAtMS = float64(after.Microseconds()) / 1e3
	return t.ended(ctx, d, t.meter.Began.Add(after))
}

// expectedEnd: that a person is needed, or another run, is no fault of a drill.
func expectedEnd(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == billing.ExitPerson || exit.ExitCode() == billing.ExitStopped) {
		return nil
	}
	return err
}

// finish starts further runs, as the next CronJob would, until nothing is left, and
// says which invoices are in doubt.
func (t *testbed) finish(ctx context.Context, d *report.Drill, next func() (process, error)) (doubtful []string, err error) {
	for ; ; d.MoreRuns++ {
		if err := t.meter.AwaitGone(ctx); err != nil {
			return nil, err
		}
		var left int
		err := t.conn.QueryRow(ctx, fmt.Sprintf(`select count(*) filter (where i.pending and d.state is distinct from 'in_doubt'),
			array_agg(i.id::text) filter (where d.state = 'in_doubt') from %s i left join %s d on d.invoice_id = i.id`,
			t.table("invoices"), t.table("deliveries"))).Scan(&left, &doubtful)
		if err != nil {
			return nil, fmt.Errorf("count what is left: %w", err)
		}
		if left == 0 {
			return doubtful, nil
		}
		if d.MoreRuns == drillMoreRuns {
			return nil, fmt.Errorf("%d invoices were left after %d more runs", left, drillMoreRuns)
		}
		p, err := next()
		if err != nil {
			return nil, err
		}
		if _, err := t.program.run(ctx, p); expectedEnd(err) != nil {
			return nil, err
		}
	}
}

// ended reads when nothing was left to do.
func (t *testbed) ended(ctx context.Context, d *report.Drill, killed time.Time) error {
	err := t.conn.QueryRow(ctx, fmt.Sprintf(`select extract(epoch from greatest(max(i.sent_at), max(d.updated_at) filter (where d.state = 'in_doubt')) - $1)::float8
		from %s i left join %s d on d.invoice_id = i.id`, t.table("invoices"), t.table("deliveries")), killed).Scan(&d.DoneSeconds)
	if err != nil {
		return fmt.Errorf("read when the drill was over: %w", err)
	}
	return nil
}
