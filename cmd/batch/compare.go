package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/compare"
	"github.com/billonce/billonce/internal/compare/report"
	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/pgtemp"
)

// comparisonFlags are what the user wants measured, and how it is told.
type comparisonFlags struct {
	compare.Settings
	own, json bool
	html      string
}

func (a app) compareCommand() *cobra.Command {
	var f comparisonFlags
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Measure the lock strategies against each other, and crash each of them",
		Long: `compare measures how servers keep from billing an invoice twice: not at all
(none), by SELECT … FOR UPDATE NOWAIT around the call (nowait), and by Billonce
with LOCK_STRATEGY=row and advisory; with one and more runners, which are real
processes, and billing APIs of several latencies. Then it kills one of two
runners in mid-flight (crash drill). A fake billing API on loopback counts what
was billed.

PostgreSQL is a temporary one, unless --own-server: then it is the server of
DATABASE_URL, where compare makes a schema of its own, billonce_compare_…, and
removes it at the end. Your invoices are not looked at, and nothing is sent.
The exit code is 1 if row or advisory billed an invoice more than once.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.compare(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.Strategies, "strategies", compare.DefaultStrategies(), "what to compare")
	flags.IntSliceVar(&f.Runners, "runners", []int{1, 2, 4}, "numbers of processes that work side by side")
	flags.DurationSliceVar(&f.Latencies, "latency", []time.Duration{0, 20 * time.Millisecond, 200 * time.Millisecond}, "times that the API takes for a request")
	flags.IntSliceVar(&f.ClaimSizes, "claim-size", []int{500}, "values of CLAIM_SIZE, for row and advisory")
	flags.IntVar(&f.Invoices, "invoices", 500, "pending invoices in a sample; fewer where the API is slow")
	flags.IntVar(&f.Rounds, "rounds", 3, "how often each combination is measured")
	flags.IntVar(&f.Concurrency, "concurrency", 8, "requests in flight, of each runner")
	flags.BoolVar(&f.Drill, "drill", true, "crash each strategy, too")
	flags.BoolVar(&f.own, "own-server", false, "measure on the server of DATABASE_URL")
	flags.BoolVar(&f.json, "json", false, "print JSON (docs/comparison.md)")
	flags.StringVar(&f.html, "html", "", "write a page for a browser to this file, too")
	return cmd
}

func (a app) compare(ctx context.Context, f comparisonFlags) error {
	if err := checkComparison(f); err != nil {
		return usage(err)
	}
	if err := writable(f.html); err != nil {
		return usage(fmt.Errorf("--html: %w", err))
	}
	c := compare.Comparison{Settings: f.Settings, Version: thisBuild().String(), OwnServer: f.own}
	progress := a.stepsOf(c.Steps())
	c.Progress = progress.step
	defer progress.close()
	var r report.Report
	err := a.withServer(ctx, f.own, func(url string, program compare.Program) (err error) {
		c.URL, c.Program, c.Environment = url, program, a.connectionEnvironment(f.own)
		r, err = c.Run(ctx)
		return err
	})
	progress.close()
	if err != nil {
		return err
	}
	return a.deliver(r, f)
}

// deliver writes the report in all forms that were asked for.
func (a app) deliver(r report.Report, f comparisonFlags) error {
	write := r.WriteText
	if f.json {
		write = r.WriteJSON
	}
	err := write(a.stdout)
	if f.html != "" {
		err = errors.Join(err, writeFile(f.html, r.WriteHTML))
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if f.html != "" {
		fmt.Fprintf(a.stderr, "The page is in %s: open it in a browser.\n", f.html)
	}
	if r.Duplicates() > 0 {
		return &exitError{code: billing.ExitError}
	}
	return nil
}

// writable is asked before two minutes of measuring, not after them.
func writable(path string) error {
	if path == "" {
		return nil
	}
	_, err := os.Stat(path)
	file, oerr := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if oerr != nil {
		return oerr
	}
	if errors.Is(err, os.ErrNotExist) {
		return errors.Join(file.Close(), os.Remove(path))
	}
	return file.Close()
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// withServer finds a database to measure on.
func (a app) withServer(ctx context.Context, own bool, f func(url string, p compare.Program) error) error {
	if !own {
		// Autovacuum would fall on one sample and not on another.
		settings := map[string]string{"autovacuum": "off", "max_connections": "300"}
		return a.withTemporaryServer(ctx, settings, func(server *pgtemp.Server, program compare.Program) error {
			return f(server.URL(embeddedDatabase), program)
		})
	}
	c, err := a.settings(config.Database)
	if err != nil {
		return err
	}
	if c.DatabaseURL == config.Embedded {
		return usage(errors.New("--own-server: DATABASE_URL is embedded; leave --own-server away, or name your server"))
	}
	program, err := a.thisProgram()
	if err != nil {
		return err
	}
	return f(c.DatabaseURL, program)
}

// connectionEnvironment is what PostgreSQL's client library reads beside the URL
// (manual, 34.15), and the home folder where it looks for passwords and certificates.
func (a app) connectionEnvironment(own bool) []string {
	var kept []string
	for _, variable := range a.environ {
		name, _, _ := strings.Cut(variable, "=")
		if own && (name == "HOME" || strings.HasPrefix(name, "PG") && name != "PGAPPNAME") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// steps show on a terminal that something happens.
type steps struct{ bar *progressbar.ProgressBar }

func (a app) stepsOf(n int) *steps {
	if !isTerminal(a.stderr) {
		return &steps{}
	}
	return &steps{progressbar.NewOptions(n, progressbar.OptionSetWriter(a.stderr), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())}
}

func (s *steps) step(what string) {
	if s.bar == nil {
		return
	}
	s.bar.Describe(what)
	_ = s.bar.Add(1)
}

func (s *steps) close() {
	if s.bar != nil {
		_ = s.bar.Finish()
		s.bar = nil
	}
}
