package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// experiment answers a question that a ratio to the bare loop does not.
func (b bencher) experiment(ctx context.Context, out io.Writer, o options) error {
	all := map[string]func(context.Context, io.Writer, options) error{
		"runners": b.runners, "table": b.table, "kill": b.kill, "idle": b.idle, "pace": b.pace, "features": b.features, "submitted": b.submitted,
	}
	e, ok := all[o.experiment]
	if !ok {
		return fmt.Errorf("-experiment %s: there are runners, table, kill, idle, pace, features and submitted", o.experiment)
	}
	return e(ctx, out, o)
}

// runners shows how runners that share the invoices add up.
func (b bencher) runners(ctx context.Context, out io.Writer, o options) error {
	s := scenario{Invoices: o.invoices, Latency: 100 * time.Millisecond, Concurrency: 64, Runners: 1, Environment: []string{"BILLING_IDEMPOTENT=true", "RUN_LOCK=shared"}}
	fmt.Fprintf(out, "%d invoices, 100 ms latency, CONCURRENCY=64 each\n\n%8s %10s %12s %14s %10s %14s %14s\n",
		s.Invoices, "runners", "seconds", "invoices/s", "per doubling", "wasted", "least's share", "tail, ms")
	last := 0.0
	for n := 1; n <= 16; n *= 2 {
		if _, err := b.runBatch(ctx, nil, "seed", strconv.Itoa(s.Invoices)); err != nil {
			return err
		}
		sums := make([]summary, n)
		u, err := b.withAPI(ctx, s, func(url string) (*os.ProcessState, error) {
			return nil, b.together(ctx, s, url, sums)
		})
		if err != nil {
			return err
		}
		candidates, wasted := 0, 0
		for _, sum := range sums {
			candidates, wasted = candidates+sum.Candidates, wasted+sum.Wasted
		}
		rate, doubling := float64(s.Invoices)/u.Seconds, ""
		if last > 0 {
			doubling = fmt.Sprintf("%.2f", rate/last/2)
		}
		last = rate
		least, tail, err := b.shares(ctx, n)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%8d %10.2f %12.0f %14s %9.1f%% %13.0f%% %14.0f\n",
			n, u.Seconds, rate, doubling, 100*float64(wasted)/float64(max(1, candidates)), 100*least, tail)
	}
	return nil
}

// shares is how evenly the last n runs shared what there was: what the least busy one has
// settled, as a part of an even share, and for how many milliseconds the last one was still
// at it when the first had nothing more.
func (b bencher) shares(ctx context.Context, n int) (least, tail float64, err error) {
	err = b.meter.Conn.QueryRow(ctx, `
		select min(settled) * $1::float8 / sum(settled), extract(epoch from max(ended) - min(ended)) * 1000
		from (
		    select count(d.run_id) as settled, max(d.updated_at) as ended
		    from (select run_id from billonce.runs order by number desc limit $1) r
		    left join billonce.deliveries d using (run_id)
		    group by run_id
		) each_run`, n).Scan(&least, &tail)
	if err != nil {
		return 0, 0, fmt.Errorf("read how the runs shared: %w", err)
	}
	return least, tail, nil
}

// together starts as many runners as there are sums, as the pods of an Indexed Job.
func (b bencher) together(ctx context.Context, s scenario, url string, sums []summary) error {
	var group sync.WaitGroup
	faults := make([]error, len(sums))
	for n := range sums {
		group.Go(func() {
			c := b.command(ctx, append(slices.Clone(s.Environment), "BILLING_URL="+url, "CONCURRENCY="+strconv.Itoa(s.Concurrency),
				"JOB_COMPLETION_INDEX="+strconv.Itoa(n), "LOG_LEVEL=info", "LOG_FORMAT=json"), "run")
			text, err := c.CombinedOutput()
			if err == nil {
				sums[n], err = lastSummary(text)
			}
			if err != nil {
				faults[n] = fmt.Errorf("runner %d: %w\n%s", n, err, text)
			}
		})
	}
	group.Wait()
	return errors.Join(faults...)
}

// summary is what is read of a run's last line.
type summary struct {
	Candidates int `json:"candidates"`
	Wasted     int `json:"wasted"`
}

func lastSummary(log []byte) (summary, error) {
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	var line struct {
		Summary summary `json:"summary"`
	}
	err := json.Unmarshal([]byte(lines[len(lines)-1]), &line)
	return line.Summary, err
}

// table shows that the cost of an invoice does not depend on how many there are
// that are not pending.
func (b bencher) table(ctx context.Context, out io.Writer, o options) error {
	const pending = 100_000
	s := scenario{Invoices: pending, Concurrency: 64, Runners: 1, Environment: []string{"BILLING_IDEMPOTENT=true"}}
	fmt.Fprintf(out, "%d pending invoices, no latency\n\n%12s %-20s %s\n", pending, "rows", "seconds", "peak RSS MiB")
	var medians []float64
	for _, rows := range []int{pending, o.rows} {
		fill := fmt.Sprintf(`insert into invoices (customer, amount_cents, currency, due_date, pending, sent_at)
			select 'Customer ' || n, n, 'EUR', date '2026-01-01', false, now()
			from generate_series(1, %d - (select count(*) from invoices)) as n`, rows)
		if _, err := b.meter.Conn.Exec(ctx, fill); err != nil {
			return fmt.Errorf("fill the table: %w", err)
		}
		var seconds, rss []float64
		for range o.rounds {
			// The ledger is emptied, so that each round finds the same.
			if _, err := b.meter.Conn.Exec(ctx, `truncate billonce.deliveries, billonce.history;
				update invoices set pending = true, sent_at = null where id in (select id from invoices order by id desc limit `+strconv.Itoa(pending)+`)`); err != nil {
				return err
			}
			for _, statement := range []string{"vacuum analyze invoices", "checkpoint"} {
				if _, err := b.meter.Conn.Exec(ctx, statement); err != nil {
					return err
				}
			}
			u, err := b.withAPI(ctx, s, func(url string) (*os.ProcessState, error) {
				return b.runBatch(ctx, append(s.Environment, "BILLING_URL="+url), "run")
			})
			if err != nil {
				return err
			}
			seconds, rss = append(seconds, u.Seconds), append(rss, u.ClientRSSMiB)
		}
		medians = append(medians, median(seconds))
		fmt.Fprintf(out, "%12d %-20s %.0f\n", rows, spread(seconds), slices.Max(rss))
	}
	fmt.Fprintf(out, "\nratio %.2f\n", medians[1]/medians[0])
	return nil
}

// kill ends a run by SIGKILL half-way and starts the next one at once.
func (b bencher) kill(ctx context.Context, out io.Writer, o options) error {
	s := scenario{Name: "kill", Invoices: o.invoices, Latency: 20 * time.Millisecond, Concurrency: 256, Runners: 1, Environment: []string{"BILLING_IDEMPOTENT=true"}}
	fmt.Fprintf(out, "%d invoices, 20 ms latency, CONCURRENCY=256; killed half-way, started again at once\n\n%10s %10s %10s %14s %14s\n",
		s.Invoices, "undisturbed", "killed", "more", "asked again", "billed twice")
	for range o.rounds {
		if _, err := b.runBatch(ctx, nil, "seed", strconv.Itoa(s.Invoices)); err != nil {
			return err
		}
		whole, err := b.withAPI(ctx, s, func(url string) (*os.ProcessState, error) { return b.runAt(ctx, s, url) })
		if err != nil {
			return err
		}
		if _, err = b.runBatch(ctx, nil, "seed", strconv.Itoa(s.Invoices)); err != nil {
			return err
		}
		api, err := startAPI(ctx, b.self, s.Latency, "")
		if err != nil {
			return err
		}
		began := time.Now()
		err = b.killed(ctx, s, api.url, time.Duration(whole.Seconds/2*float64(time.Second)))
		took := time.Since(began).Seconds()
		sum, _, cerr := api.close()
		if err = errors.Join(err, cerr); err != nil {
			return err
		}
		if sum.Billed != s.Invoices {
			return fmt.Errorf("%d of %d invoices were billed", sum.Billed, s.Invoices)
		}
		fmt.Fprintf(out, "%10.2f %10.2f %10.2f %14d %14d\n", whole.Seconds, took, took-whole.Seconds, sum.Requests-s.Invoices, len(sum.Duplicates))
	}
	return nil
}

func (b bencher) killed(ctx context.Context, s scenario, url string, after time.Duration) error {
	first := b.command(ctx, append(slices.Clone(s.Environment), "BILLING_URL="+url, "CONCURRENCY="+strconv.Itoa(s.Concurrency)), "run")
	if err := first.Start(); err != nil {
		return err
	}
	time.Sleep(after)
	if err := first.Process.Kill(); err != nil {
		return err
	}
	var exit *exec.ExitError
	if err := first.Wait(); !errors.As(err, &exit) {
		return fmt.Errorf("the run was over before it was killed: %w", err)
	}
	// The dead run's lock is freed as its backend notices; a CronJob's pod waits too.
	_, err := b.runAt(ctx, s, url, "RUN_LOCK_WAIT=10s")
	return err
}

// idle shows what a run costs that finds nothing to do.
func (b bencher) idle(ctx context.Context, out io.Writer, o options) error {
	var seconds []float64
	for range max(o.rounds, 20) {
		began := time.Now()
		if _, err := b.runBatch(ctx, []string{"BILLING_URL=http://127.0.0.1:9/{id}"}, "run"); err != nil {
			return err
		}
		seconds = append(seconds, time.Since(began).Seconds()*1000)
	}
	fmt.Fprintf(out, "a run with nothing to do: %s ms\n", spread(seconds))
	return nil
}
