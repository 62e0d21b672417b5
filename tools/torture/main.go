// Command torture hunts for a broken promise: real runners, a real PostgreSQL
// and a billing API that is the judge, under faults of process, database,
// network and API. What it does in a round follows from the round's seed, so
// that a round which failed can be run again.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/billonce/billonce/tools/lab"
)

type options struct {
	seed      uint64
	duration  time.Duration
	rounds    int
	recovery  int
	failovers int
	batch     string
	keep      bool
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().Unix()), "of the first round; the next one has the next seed")
	flag.DurationVar(&o.duration, "duration", 2*time.Minute, "begin rounds for so long")
	flag.IntVar(&o.rounds, "rounds", 0, "so many rounds instead")
	flag.IntVar(&o.recovery, "recovery", 0, "kill one of three runners so many times, and time the recovery, instead of torture")
	flag.IntVar(&o.failovers, "failovers", 0, "so many rounds with a fail-over instead: each kind in turn, with and without keys, under runs that live and that die")
	flag.StringVar(&o.batch, "batch", "", "a batch that is built already")
	flag.BoolVar(&o.keep, "keep", false, "keep the logs of rounds without a violation, too")
	lab.Main("torture", func(ctx context.Context, _ io.Writer) error {
		violations, err := run(ctx, o, &printer{os.Stdout, term.IsTerminal(int(os.Stdout.Fd()))})
		if violations > 0 {
			err = errors.Join(err, fmt.Errorf("%d violations", violations))
		}
		return err
	})
}

func run(ctx context.Context, o options, out *printer) (violations int, err error) {
	s, err := newTestbed(ctx, o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if o.recovery > 0 {
		return s.recoveries(ctx, o.recovery, out)
	}
	var t total
	rounds := max(o.rounds, o.failovers)
	began := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		if rounds > 0 && n == rounds || rounds == 0 && time.Since(began) > o.duration {
			break
		}
		seed, round := o.seed+uint64(n), s.storm
		switch {
		case o.failovers > 0:
			round = s.failover
		case seed%failoverEvery == 0: // so that those go through all kinds, too
			seed, round = seed/failoverEvery, s.failover
		}
		r, err := round(ctx, seed, out.progress)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("round with seed %d: %w; its logs are in %s", seed, err, r.Logs)
		}
		t.add(r)
		out.round(r)
	}
	t.Seconds = time.Since(began).Seconds()
	out.total(t)
	return t.Violations, nil
}

// printer writes words on a terminal, and JSON lines anywhere else.
type printer struct {
	out   io.Writer
	words bool
}

// progress replaces the terminal's last line.
func (p *printer) progress(format string, args ...any) {
	if p.words {
		fmt.Fprintf(p.out, "\r\x1b[K"+format, args...)
	}
}

func (p *printer) round(r report) {
	if !p.words {
		p.json(r)
		return
	}
	p.progress("%s\n", r.line())
	for _, v := range r.Violations {
		fmt.Fprintln(p.out, "  VIOLATION:", v)
	}
	if len(r.Violations) > 0 {
		fmt.Fprintf(p.out, "  its logs are in %s; again: %s\n", r.Logs, r.Again)
	}
}

func (p *printer) total(t total) {
	if !p.words {
		p.json(t)
		return
	}
	p.progress("%s\n", strings.Join(t.lines(), "\n"))
}

func (p *printer) json(v any) {
	// A report holds nothing that JSON can't.
	_ = json.NewEncoder(p.out).Encode(v)
}
