package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/billonce/billonce/tools/lab"
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
	s := scenario{invoices: o.invoices, latency: 100 * time.Millisecond, concurrency: 64, environment: []string{keys, "RUN_LOCK=shared"}}
	fmt.Fprintf(out, "%d invoices, 100 ms latency, CONCURRENCY=64 each\n\n%8s %10s %12s %14s %10s %14s %14s\n",
		s.invoices, "runners", "seconds", "invoices/s", "per doubling", "wasted", "least's share", "tail, ms")
	last := 0.0
	for s.runners = 1; s.runners <= 16; s.runners *= 2 {
		var all summary
		c, err := b.measure(ctx, contestant{scenario: s, prepare: b.seeds(s), call: func(ctx context.Context, a lab.API) (u used, err error) {
			all, err = b.together(ctx, s, a)
			return u, err
		}})
		if err != nil {
			return err
		}
		rate, doubling := float64(s.invoices)/c.seconds, ""
		if last > 0 {
			doubling = fmt.Sprintf("%.2f", rate/last/2)
		}
		last = rate
		least, tail, err := b.shares(ctx, s.runners)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%8d %10.2f %12.0f %14s %9.1f%% %13.0f%% %14.0f\n", s.runners, c.seconds, rate, doubling,
			100*float64(all.Wasted)/float64(max(1, all.Candidates)), 100*least, tail)
	}
	return nil
}

// shares is how evenly the last n runs shared what there was: what the least busy one has
// settled, as a part of an even share, and for how many milliseconds the last one was still
// at it when the first had nothing more.
func (b bencher) shares(ctx context.Context, n int) (least, tail float64, err error) {
	err = b.Conn.QueryRow(ctx, `
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

// summary is what is read of runs' last lines.
type summary struct {
	Candidates int `json:"candidates"`
	Wasted     int `json:"wasted"`
}

// together has a scenario's runners send side by side, as the pods of an Indexed Job.
func (b bencher) together(ctx context.Context, s scenario, a lab.API) (all summary, err error) {
	var group sync.WaitGroup
	said, faults := make([][]byte, s.runners), make([]error, s.runners)
	for n := range s.runners {
		group.Go(func() {
			settings := append(s.settings(a), "JOB_COMPLETION_INDEX="+strconv.Itoa(n), "LOG_LEVEL=info", "LOG_FORMAT=json")
			said[n], faults[n] = b.Command(ctx, settings, "run").CombinedOutput()
		})
	}
	group.Wait()
	for n, text := range said {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		var last struct{ Summary summary }
		if err := errors.Join(faults[n], json.Unmarshal([]byte(lines[len(lines)-1]), &last)); err != nil {
			return all, fmt.Errorf("runner %d: %w\n%s", n, err, text)
		}
		all.Candidates, all.Wasted = all.Candidates+last.Summary.Candidates, all.Wasted+last.Summary.Wasted
	}
	return all, nil
}

// kill ends a run by SIGKILL half-way and starts the next one at once.
func (b bencher) kill(ctx context.Context, out io.Writer, o options) error {
	s := scenario{invoices: o.invoices, latency: 20 * time.Millisecond, concurrency: 256, runners: 1, environment: []string{keys}}
	fmt.Fprintf(out, "%d invoices, 20 ms latency, CONCURRENCY=256; killed half-way, started again at once; nobody is billed twice\n\n%11s %10s %10s %14s\n",
		s.invoices, "undisturbed", "killed", "more", "asked again")
	for range o.rounds {
		whole, err := b.measure(ctx, contestant{scenario: s, prepare: b.seeds(s), call: b.run(s)})
		if err != nil {
			return err
		}
		half := time.Duration(whole.seconds / 2 * float64(time.Second))
		killed, err := b.measure(ctx, contestant{scenario: s, prepare: b.seeds(s), repeats: true, call: func(ctx context.Context, a lab.API) (used, error) {
			dying, cancel := context.WithTimeout(ctx, half)
			defer cancel()
			first := b.Command(dying, s.settings(a), "run")
			first.Cancel = func() error { return first.Process.Kill() }
			if err := first.Run(); dying.Err() == nil {
				return used{}, fmt.Errorf("the run was over before it was killed: %w", err)
			}
			// The dead run's lock is freed as its backend notices; a CronJob's pod waits too.
			return b.run(s, "RUN_LOCK_WAIT=10s")(ctx, a)
		}})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%11.2f %10.2f %10.2f %14d\n", whole.seconds, killed.seconds, killed.seconds-whole.seconds, killed.account.Requests-s.invoices)
	}
	return nil
}

// idle shows what a run costs that finds nothing to do.
func (b bencher) idle(ctx context.Context, out io.Writer, o options) error {
	var took []float64
	for range max(o.rounds, 20) {
		began := time.Now()
		if _, err := b.Run(ctx, []string{"BILLING_URL=http://127.0.0.1:9/{id}"}, "run"); err != nil {
			return err
		}
		took = append(took, time.Since(began).Seconds()*1000)
	}
	fmt.Fprintf(out, "a run with nothing to do: %s ms\n", spread(took))
	return nil
}

// table shows that the cost of an invoice does not depend on how many there are
// that are not pending.
func (b bencher) table(ctx context.Context, out io.Writer, o options) error {
	const pending = 100_000
	s := scenario{invoices: pending, concurrency: 64, runners: 1, environment: []string{keys}}
	fmt.Fprintf(out, "%d pending invoices, no latency\n\n%12s %-20s %s\n", pending, "rows", "seconds", "peak RSS MiB")
	var medians []float64
	for _, rows := range []int{pending, o.rows} {
		fill := fmt.Sprintf(`insert into invoices (customer, amount_cents, currency, due_date, pending, sent_at)
			select 'Customer ' || n, n, 'EUR', date '2026-01-01', false, now()
			from generate_series(1, %d - (select count(*) from invoices)) as n`, rows)
		if err := b.Execute(ctx, fill); err != nil {
			return err
		}
		costs, err := b.inTurn(ctx, o.rounds, []contestant{{scenario: s, call: b.run(s), prepare: func(ctx context.Context) error {
			// The ledger is emptied, so that each round finds the same.
			return b.Execute(ctx, "truncate billonce.deliveries, billonce.history",
				fmt.Sprintf("update invoices set pending = true, sent_at = null where id in (select id from invoices order by id desc limit %d)", pending),
				"vacuum analyze invoices")
		}}})
		if err != nil {
			return err
		}
		medians = append(medians, median(each(costs[0], seconds)))
		fmt.Fprintf(out, "%12d %-20s %.0f\n", rows, spread(each(costs[0], seconds)), slices.Max(each(costs[0], func(c cost) float64 { return c.rss })))
	}
	fmt.Fprintf(out, "\nratio %.2f\n", medians[1]/medians[0])
	return nil
}
