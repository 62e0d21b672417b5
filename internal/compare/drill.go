package compare

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"billonce/internal/billing"
	"billonce/internal/compare/report"
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

// drillScene is one drill: without keys, an unknown effect is a doubt.
type drillScene struct {
	strategy string
	keys     bool
}

func (c Comparison) scenes() []drillScene {
	var all []drillScene
	for _, keys := range []bool{true, false} {
		for _, strategy := range c.Strategies {
			naive := strategy == report.None || strategy == report.NoWait
			if keys || !naive {
				all = append(all, drillScene{strategy, keys && !naive})
			}
		}
	}
	return all
}

func (c Comparison) drills(ctx context.Context, s *stand) ([]report.Drill, error) {
	all := []report.Drill{}
	if !c.Drill {
		return all, nil
	}
	c.Concurrency, c.Timeout = drillConcurrency, drillTimeout
	for _, scene := range c.scenes() {
		c.progress("crash drill")
		d, err := c.drill(ctx, s, scene)
		if err != nil {
			return nil, fmt.Errorf("crash %s: %w", scene.strategy, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// drill kills one of two runners when the API has acted for it, and lets the
// others finish; where they leave something to do, as many further runs as it takes.
func (c Comparison) drill(ctx context.Context, s *stand, scene drillScene) (d report.Drill, err error) {
	d = report.Drill{Strategy: scene.strategy, Keys: scene.keys, Invoices: drillInvoices, Killed: runnerName(0)}
	setup := report.Setup{Strategy: scene.strategy, Runners: 2, ClaimSize: c.claimSizes(scene.strategy)[0]}
	if err := s.refill(ctx, drillInvoices); err != nil {
		return d, err
	}
	m, err := s.startMeter(ctx)
	if err != nil {
		return d, err
	}
	log, victim := newJournal(), newVictim()
	seen, err := withAPI(ctx, victim.api(ctx, log, scene.keys), func(billingURL string) error {
		children, err := c.cast(s, setup, billingURL, scene.keys)
		if err != nil {
			return err
		}
		_, err = c.together(ctx, s, m, len(children), func(ctx context.Context) error { return c.crash(ctx, children, victim) })
		if err != nil {
			return err
		}
		return c.finish(ctx, s, &d, func() (child, error) {
			return c.runner(s, setup, billingURL, scene.keys, 2+d.MoreRuns, nextRun)
		})
	})
	if err != nil {
		return d, err
	}
	if victim.at.IsZero() {
		return d, errors.New("nobody was killed: the runner had nothing to do")
	}
	d.Requests, d.BilledTwice, d.Events = seen.Requests, len(seen.Duplicates), log.events(m.local)
	d.KilledAtMS = float64(victim.at.Sub(m.local).Microseconds()) / 1e3
	return d, s.ended(ctx, &d, m.began.Add(victim.at.Sub(m.local)))
}

// crash runs the children; the first one is the victim.
func (c Comparison) crash(ctx context.Context, children []child, victim *victim) error {
	var running sync.WaitGroup
	faults := make([]error, len(children))
	for i, r := range children {
		life, kill := context.WithCancelCause(ctx)
		if i == 0 {
			victim.spare(kill)
		}
		running.Go(func() {
			defer kill(nil)
			_, err := c.Program.run(life, r)
			if i == 0 {
				close(victim.gone)
			}
			if !errors.Is(err, errKilled) {
				faults[i] = expectedEnd(err)
			}
		})
	}
	running.Wait()
	return errors.Join(faults...)
}

// expectedEnd: that a person is needed, or another run, is no fault of a drill.
func expectedEnd(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == billing.ExitPerson || exit.ExitCode() == billing.ExitStopped) {
		return nil
	}
	return err
}

// finish starts further runs, as the next CronJob would, until nothing is left.
func (c Comparison) finish(ctx context.Context, s *stand, d *report.Drill, next func() (child, error)) error {
	for ; ; d.MoreRuns++ {
		if _, err := s.transactions(ctx); err != nil { // PostgreSQL has freed the dead runner's locks
			return err
		}
		var left int
		err := s.conn.QueryRow(ctx, fmt.Sprintf(`select count(*) filter (where i.pending and d.state is distinct from 'in_doubt'),
			count(*) filter (where d.state = 'in_doubt') from %s i left join %s d on d.invoice_id = i.id`,
			s.table("invoices"), s.table("deliveries"))).Scan(&left, &d.InDoubt)
		if err != nil {
			return fmt.Errorf("count what is left: %w", err)
		}
		if left == 0 {
			return nil
		}
		if d.MoreRuns == drillMoreRuns {
			return fmt.Errorf("%d invoices were left after %d more runs", left, drillMoreRuns)
		}
		r, err := next()
		if err != nil {
			return err
		}
		if _, err := c.Program.run(ctx, r); expectedEnd(err) != nil {
			return err
		}
	}
}

// ended reads when nothing was left to do.
func (s *stand) ended(ctx context.Context, d *report.Drill, killed time.Time) error {
	err := s.conn.QueryRow(ctx, fmt.Sprintf(`select extract(epoch from greatest(max(i.sent_at), max(d.updated_at) filter (where d.state = 'in_doubt')) - $1)::float8
		from %s i left join %s d on d.invoice_id = i.id`, s.table("invoices"), s.table("deliveries")), killed).Scan(&d.DoneSeconds)
	if err != nil {
		return fmt.Errorf("read when the drill was over: %w", err)
	}
	return nil
}
