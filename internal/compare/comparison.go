package compare

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/billonce/billonce/internal/compare/report"
)

// Comparison measures the lock strategies on one server, in turns.
type Comparison struct {
	Settings
	Program     Program
	Version     string   // of the program
	URL         string   // a database in which a schema may be made, and is removed
	Environment []string // that a connection to it needs
	OwnServer   bool     // it is the user's: no checkpoints, and others may be at work
	Progress    func(step string)
}

// warmUpInvoices are few enough to be sent one at a time.
const warmUpInvoices = 500

// Run measures. The strategies take turns, so that whatever else slows the
// machine down falls on all of them.
func (c Comparison) Run(ctx context.Context) (_ report.Report, err error) {
	began := time.Now()
	t := &testbed{program: c.Program, url: c.URL, environment: c.Environment, checkpoints: !c.OwnServer}
	if err := t.open(ctx, c.connections()); err != nil {
		return report.Report{}, err
	}
	defer func() { err = errors.Join(err, t.close(ctx)) }()
	if err := c.warmUp(ctx, t); err != nil {
		return report.Report{}, err
	}
	samples := []report.Sample{}
	for round := range c.Rounds {
		for _, scenario := range c.scenarios(round) {
			c.progress(fmt.Sprintf("round %d of %d", round+1, c.Rounds))
			sample, err := c.measure(ctx, t, scenario)
			if err != nil {
				return report.Report{}, fmt.Errorf("measure %s with %d runners in round %d: %w", scenario.Strategy, scenario.Runners, round+1, err)
			}
			sample.Round = round + 1
			samples = append(samples, sample)
		}
	}
	slices.SortStableFunc(samples, c.byScenario)
	drills, err := c.drills(ctx, t)
	if err != nil {
		return report.Report{}, err
	}
	return report.New(report.Conditions{
		Program: c.Version, PostgreSQL: t.version, OwnServer: c.OwnServer,
		CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Began: began.UTC().Truncate(time.Second), Seconds: time.Since(began).Round(time.Millisecond).Seconds(),
		Rounds: c.Rounds, Concurrency: c.Concurrency,
	}, samples, drills), nil
}

// warmUp runs each strategy once, uncounted: what is read, compiled or made for
// the first time must not fall on who comes first.
func (c Comparison) warmUp(ctx context.Context, t *testbed) error {
	c.Invoices = min(c.Invoices, warmUpInvoices)
	for _, strategy := range c.Strategies {
		c.progress("warm-up")
		scenario := report.Scenario{Strategy: strategy, Runners: 1, ClaimSize: c.claimSizes(strategy)[0]}
		if _, err := c.measure(ctx, t, scenario); err != nil {
			return fmt.Errorf("warm up with %s: %w", strategy, err)
		}
	}
	return nil
}

// byScenario brings samples into the order of the settings, whatever order the rounds had.
func (c Comparison) byScenario(a, b report.Sample) int {
	order := c.scenarios(0)
	return slices.Index(order, a.Scenario) - slices.Index(order, b.Scenario)
}

// Steps is how often Progress is called.
func (c Comparison) Steps() int {
	n := len(c.Strategies) + c.Samples()
	if c.Drill {
		n += len(c.plannedDrills())
	}
	return n
}

func (c Comparison) progress(step string) {
	if c.Progress != nil {
		c.Progress(step)
	}
}
