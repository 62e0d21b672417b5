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
	"path/filepath"

	"github.com/billonce/billonce/tools/lab"
)

// options of a benchmark.
type options struct {
	invoices   int
	rounds     int
	only       int
	experiment string
	rows       int
	river      bool
	against    string
}

func main() {
	var o options
	flag.IntVar(&o.invoices, "invoices", 20_000, "invoices in each run (a tenth with a latency of 1 s)")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each scenario")
	flag.IntVar(&o.only, "scenario", 0, "only this one, from 1")
	flag.StringVar(&o.experiment, "experiment", "", "instead: runners (1 to 16 of them), table (a large one), kill (and restart), idle (nothing to do), pace (an API that takes so much and no more), features (what they cost who uses them), submitted (100,000 of them beside new invoices)")
	flag.IntVar(&o.rows, "rows", 10_000_000, "rows of the large table")
	flag.BoolVar(&o.river, "river", false, "beside each run: the same invoices as jobs of River")
	flag.StringVar(&o.against, "against", "", "beside each run: the same by this other build of batch, whose ledger has the same schema")
	lab.Main("bench", func(ctx context.Context, out io.Writer) error {
		// The loop is a process of its own: this program again.
		if flag.Arg(0) == "loop" {
			return bareLoop(ctx, flag.Args()[1:])
		}
		return bench(ctx, out, o)
	})
}

func bench(ctx context.Context, out io.Writer, o options) (err error) {
	b := bencher{against: o.against}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	// Room for the connections of 16 runners; else default settings.
	if b.Book, err = lab.Open(ctx, "", map[string]string{"max_connections": "200"}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if o.river {
		b.river = filepath.Join(b.Dir, "river")
		if err := lab.Build(ctx, "tools/bench/river", ".", b.river); err != nil {
			return err
		}
		if _, err := lab.RunOther(ctx, b.river, "migrate", b.URL()); err != nil {
			return err
		}
	}
	if o.experiment != "" {
		return b.experiment(ctx, out, o)
	}
	writeHead(out, o)
	noisy := false
	for n, s := range scenarios(o.invoices) {
		if o.only != 0 && o.only != n+1 {
			continue
		}
		all := b.contestants(s)
		costs, err := b.inTurn(ctx, o.rounds, all)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for i := range all[1:] {
			writeRow(out, all[i+1].name, s.invoices, costs[0], costs[i+1])
		}
		noisy = noisy || isNoisy(costs[0])
	}
	writeFoot(out, noisy)
	return nil
}

// bencher measures one thing after the other, on one server.
type bencher struct {
	*lab.Book
	self    string
	against string // empty: none
	river   string // empty: none
}
