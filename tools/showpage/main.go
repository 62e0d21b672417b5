// Command showpage shows what `batch serve` is like: a book of demo invoices on a private
// PostgreSQL, a billing API with faults, doubts to decide, and a run that goes on. It
// needs no setting, and takes none from the environment.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.batch, "batch", "bin/batch", "the program")
	flag.StringVar(&o.addr, "addr", "127.0.0.1:8321", "where the page is")
	flag.StringVar(&o.password, "password", "", "of the user demo; empty: a new one")
	flag.IntVar(&o.invoices, "invoices", 1200, "invoices of the run that is over as the page opens")
	flag.Parse()
	if err := show(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "showpage:", err)
		os.Exit(1)
	}
}

type options struct {
	batch, addr, password string
	invoices              int
}

func show(ctx context.Context, o options, out io.Writer) (err error) {
	b, err := openBook(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	fmt.Fprintln(out, "A first run leaves a few doubts…")
	if err := b.firstNight(ctx, o.invoices); err != nil {
		return err
	}
	serve, err := b.serve(ctx, out)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- serve.Wait() }()
	going, stop := context.WithCancel(ctx)
	runs := make(chan error, 1)
	go func() { runs <- b.goOn(going) }()
	select {
	case err = <-served:
		stop()
		return errors.Join(ignoreEnd(ctx, err), <-runs)
	case err = <-runs:
		stop()
		return errors.Join(err, ignoreEnd(ctx, <-served))
	}
}
