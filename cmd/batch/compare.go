package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"billonce/internal/billing"
	"billonce/internal/compare"
	"billonce/internal/pgtemp"
)

// compareRunnersMost keeps the runners' connections, six each, below what
// PostgreSQL grants by default.
const compareRunnersMost = 12

func (a app) compareCommand() *cobra.Command {
	var s compare.Settings
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Measure the lock strategies row and advisory against each other",
		Long: `compare runs the lock strategies row and advisory in turns, each with several
runners (processes) on a freshly filled database, and reports how long they took
and what they cost PostgreSQL. The server is a temporary one, and what was billed
is counted by a fake billing API on loopback. Your own database and billing API
are not touched. The exit code is 1 if any invoice was billed more than once.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.compare(cmd.Context(), s, asJSON) },
	}
	cmd.Flags().IntVar(&s.Invoices, "invoices", 2000, "pending invoices in each cell")
	cmd.Flags().DurationVar(&s.Latency, "latency", 5*time.Millisecond, "time that the API takes for a request")
	cmd.Flags().IntVar(&s.Runners, "runners", 2, "processes that work side by side")
	cmd.Flags().IntVar(&s.Rounds, "rounds", 3, "how often each strategy is measured")
	cmd.Flags().IntVar(&s.Concurrency, "concurrency", 64, "requests in flight, of each runner")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a app) compare(ctx context.Context, s compare.Settings, asJSON bool) error {
	if err := checkComparison(s); err != nil {
		return usage(err)
	}
	comparison := compare.Comparison{Settings: s, Progress: a.cellDone}
	var report compare.Report
	// Autovacuum would fall on one cell and not on another.
	settings := map[string]string{"autovacuum": "off"}
	err := a.withTemporaryServer(ctx, settings, func(server *pgtemp.Server, program compare.Program) (err error) {
		comparison.Server, comparison.Program = server, program
		report, err = comparison.Run(ctx)
		return err
	})
	if err != nil {
		return err
	}
	write := report.WriteText
	if asJSON {
		write = report.WriteJSON
	}
	if err := write(a.stdout); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if report.Duplicates() > 0 {
		return &exitError{code: billing.ExitError}
	}
	return nil
}

// cellDone shows on a terminal that something happens.
func (a app) cellDone(c compare.Cell) {
	if !isTerminal(a.stderr) {
		return
	}
	round := fmt.Sprintf("round %d", c.Round)
	if c.Round == 0 {
		round = "warm-up"
	}
	fmt.Fprintf(a.stderr, "%s, %s: %.2f s\n", round, c.Strategy, c.Seconds)
}

func checkComparison(s compare.Settings) error {
	for _, flag := range []struct {
		name               string
		value, least, most int
	}{
		{"invoices", s.Invoices, 1, 10_000_000},
		{"runners", s.Runners, 1, compareRunnersMost},
		{"rounds", s.Rounds, 1, 1000},
		{"concurrency", s.Concurrency, 1, 10_000},
	} {
		if flag.value < flag.least || flag.value > flag.most {
			return fmt.Errorf("--%s: %d is not between %d and %d", flag.name, flag.value, flag.least, flag.most)
		}
	}
	if s.Latency < 0 {
		return fmt.Errorf("--latency: %s is below 0s", s.Latency)
	}
	return nil
}
