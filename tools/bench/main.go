// Command bench times `batch run` against a bare loop that only calls the API,
// round by round, and prints the ratio of the two and what it cost. It builds
// and starts what it needs: the loop, the runner and the API as processes of
// their own, and a PostgreSQL with default settings.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options of a benchmark.
type options struct {
	invoices   int
	rounds     int
	only       int
	experiment string
	rows       int
	river      bool
	against    string
	json       string
}

func run(ctx context.Context, args []string, out io.Writer) error {
	// The parts that are processes of their own are this program again.
	if len(args) > 0 && args[0] == "api" {
		return serveAPI(ctx, args[1:], out)
	}
	if len(args) > 0 && args[0] == "loop" {
		return bareLoop(ctx, args[1:])
	}
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.invoices, "invoices", 20_000, "invoices in each run (a tenth with a latency of 1 s)")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each scenario")
	flags.IntVar(&o.only, "scenario", 0, "only this one, from 1")
	flags.StringVar(&o.experiment, "experiment", "", "instead: runners (1 to 16 of them), table (a large one), kill (and restart), idle (nothing to do), pace (an API that takes so much and no more), features (what they cost who uses them), submitted (100,000 of them beside new invoices)")
	flags.IntVar(&o.rows, "rows", 10_000_000, "rows of the large table")
	flags.BoolVar(&o.river, "river", false, "beside each run: the same invoices as jobs of River")
	flags.StringVar(&o.against, "against", "", "beside each run: the same by this other build of batch, whose ledger has the same schema")
	flags.StringVar(&o.json, "json", "", "write all figures to this file, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return bench(ctx, out, o)
}

func bench(ctx context.Context, out io.Writer, o options) (err error) {
	dir, err := os.MkdirTemp("", "billonce-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := bencher{batch: filepath.Join(dir, "batch"), against: o.against}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", b.batch, "github.com/billonce/billonce/cmd/batch").CombinedOutput(); err != nil {
		return fmt.Errorf("build batch: %w\n%s", err, text)
	}
	if o.river {
		b.river = filepath.Join(dir, "river")
		build := exec.CommandContext(ctx, "go", "build", "-C", "tools/bench/river", "-o", b.river, ".")
		if text, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build River's part (in the project's folder?): %w\n%s", err, text)
		}
	}
	// Room for the connections of 16 runners; else default settings.
	server, err := pgtemp.Start(ctx, pgtemp.Options{Temporary: true, Settings: map[string]string{"max_connections": "200"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	b.url = server.URL("postgres")
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if b.meter, err = newMeter(ctx, b.url); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.meter.Conn.Close(context.WithoutCancel(ctx))) }()

	if o.experiment != "" {
		return b.experiment(ctx, out, o)
	}
	r := report{Version: reportVersion, Began: time.Now().UTC(), Rounds: o.rounds}
	writeHead(out, o)
	for n, s := range scenarios(o.invoices) {
		if o.only != 0 && o.only != n+1 {
			continue
		}
		measured, err := b.scenario(ctx, s, o.rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		measured.writeText(out)
		r.Scenarios = append(r.Scenarios, measured)
	}
	writeFoot(out, r)
	if o.json == "" {
		return nil
	}
	return r.writeJSON(o.json)
}

// bencher runs scenarios, one after the other, on one server.
type bencher struct {
	batch, self, url string
	against          string // empty: none
	river            string // empty: none
	meter            *serverMeter
}

func (b bencher) prepare(ctx context.Context) error {
	cfg, err := pgstore.ParseURL(b.url, "bench")
	if err != nil {
		return err
	}
	if err := pgstore.Seed(ctx, cfg, 0); err != nil {
		return err
	}
	if _, err = b.runBatch(ctx, nil, "migrate"); err != nil || b.river == "" {
		return err
	}
	_, err = b.runRiver(ctx, "migrate", b.url)
	return err
}
