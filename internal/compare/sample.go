package compare

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/compare/meter"
	"github.com/billonce/billonce/internal/compare/report"
)

const signalTimeout = 30 * time.Second

// measure fills one sample.
func (c Comparison) measure(ctx context.Context, t *testbed, scenario report.Scenario) (sample report.Sample, err error) {
	sample.Scenario, sample.Invoices = scenario, c.invoices(scenario)
	if err := t.refill(ctx, sample.Invoices); err != nil {
		return sample, err
	}
	if err := t.meter.Start(ctx); err != nil {
		return sample, err
	}
	var seen meter.Peaks
	var said []string
	account, err := withAPI(ctx, billingfake.Config{Idempotent: true, Latency: latencyOf(scenario)}, func(billingURL string) error {
		all, err := t.processes(c.runner(scenario, true), scenario.Runners, billingURL)
		if err != nil {
			return err
		}
		seen, err = t.together(ctx, len(all), func(ctx context.Context) (err error) {
			said, err = t.program.runAll(ctx, all)
			return err
		})
		return err
	})
	if err != nil {
		return sample, err
	}
	sample.Requests, sample.Duplicates = account.Requests, len(account.Duplicates)
	if account.Billed != sample.Invoices {
		return sample, fmt.Errorf("only %d of %d invoices were billed", account.Billed, sample.Invoices)
	}
	sample.Connections, sample.LockEntries, sample.HorizonSeconds = seen.Connections, seen.LockEntries, seen.Horizon.Seconds()
	cost, err := t.meter.Read(ctx, seen.Looks)
	if err != nil {
		return sample, err
	}
	sample.Transactions, sample.Commits, sample.WALBytes, sample.DirtiedPages = cost.Transactions, cost.Commits, cost.WALBytes, cost.Pages
	return sample, t.timed(ctx, &sample, said)
}

func (c Comparison) runner(scenario report.Scenario, keys bool) runner {
	return runner{
		strategy: scenario.Strategy, claim: scenario.ClaimSize, senders: c.Concurrency, skip: true, keys: keys,
		// Far above the API's latency, however busy the machine is.
		timeout: cmp.Or(c.Timeout, naiveTimeout),
	}
}

// together has runners begin at one signal, and waits for their ends.
func (t *testbed) together(ctx context.Context, runners int, run func(context.Context) error) (seen meter.Peaks, err error) {
	conn, err := t.connect(ctx)
	if err != nil {
		return seen, err
	}
	observer := meter.Observe(ctx, conn, t.meter.Sessions, true)
	defer func() {
		var cerr error
		seen, cerr = observer.Close(ctx)
		err = errors.Join(err, cerr)
	}()
	if err := t.hold(ctx); err != nil {
		return seen, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	if err := t.signal(ctx, observer, runners, ended); err != nil {
		cancel(err)
		return seen, errors.Join(err, <-ended)
	}
	return seen, <-ended
}

// hold keeps everybody from the invoices: who starts waits at the first look at them.
func (t *testbed) hold(ctx context.Context) error {
	if _, err := t.conn.Exec(ctx, "begin isolation level read committed"); err != nil {
		return fmt.Errorf("hold the runners back: %w", err)
	}
	if _, err := t.conn.Exec(ctx, "lock table "+t.table("invoices")+" in access exclusive mode"); err != nil {
		return fmt.Errorf("hold the runners back: %w", err)
	}
	return nil
}

// signal lets the runners go, once all of them wait.
func (t *testbed) signal(ctx context.Context, observer *meter.Observer, runners int, ended chan error) error {
	timeout := time.NewTimer(signalTimeout)
	defer timeout.Stop()
	for waiting := 0; waiting < runners; {
		var open bool
		select {
		case waiting, open = <-observer.Waiting:
			if !open {
				if err := context.Cause(ctx); err != nil { // which ended the observer, too
					return err
				}
				return errors.New("nobody looks at the runners any more")
			}
		case err := <-ended:
			ended <- err
			return fmt.Errorf("the runners ended before they began: %w", err)
		case <-timeout.C:
			return fmt.Errorf("only %d of %d runners had started within %s", waiting, runners, signalTimeout)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := t.meter.Signal(ctx); err != nil {
		return err
	}
	if _, err := t.conn.Exec(ctx, "commit"); err != nil {
		return fmt.Errorf("let the runners go: %w", err)
	}
	observer.Restart()
	return nil
}

// timed reads how long it took, for each invoice and for all, and what it left.
func (t *testbed) timed(ctx context.Context, sample *report.Sample, said []string) error {
	var seconds, ledger []float64
	for _, line := range said {
		var last struct {
			account
			Summary struct {
				Wasted int `json:"wasted"`
			} `json:"summary"`
		}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			return fmt.Errorf("read what a runner said last: %w\n%s", err, line)
		}
		sample.Held += last.Held + last.Summary.Wasted
		seconds = append(seconds, last.Seconds...)
	}
	// What Billonce's runners took is in their ledger; it is empty after others.
	err := t.conn.QueryRow(ctx, fmt.Sprintf(`select extract(epoch from max(i.sent_at) - $1)::float8,
		coalesce(array_agg(extract(epoch from i.sent_at - d.first_sent_at)::float8) filter (where d.state = 'sent'), '{}'),
		(select coalesce(sum(n_dead_tup), 0)::bigint from pg_stat_user_tables where schemaname = $2)
		from %s i left join %s d on d.invoice_id = i.id`, t.table("invoices"), t.table("deliveries")), t.meter.Began, t.schema).
		Scan(&sample.Seconds, &ledger, &sample.DeadTuples)
	if err != nil {
		return fmt.Errorf("read how long the invoices took: %w", err)
	}
	seconds = append(seconds, ledger...)
	if len(seconds) == 0 {
		return errors.New("read how long the invoices took: nobody says")
	}
	slices.Sort(seconds)
	sample.P50MS, sample.P95MS, sample.P99MS = percentile(seconds, 50), percentile(seconds, 95), percentile(seconds, 99)
	return nil
}

// percentile of sorted seconds, in milliseconds: the nearest rank.
func percentile(seconds []float64, p float64) float64 {
	rank := int(math.Ceil(p / 100 * float64(len(seconds))))
	return math.Round(seconds[max(0, rank-1)]*1e6) / 1e3
}
