// Command getpostgres gets a PostgreSQL server for a machine that has none, in one
// way after the other: `make run` and `make test` need one. It is a tool of its own
// because the product must hold neither downloads nor a second PostgreSQL driver.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/billonce/billonce/internal/pgtemp"
)

// timeout is one way's.
const timeout = 10 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	find := func(ctx context.Context) (string, error) { return pgtemp.Find(ctx, os.Getenv) }
	if err := get(ctx, find, ways(), os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // there is nothing left to stop
	}
}

func ways() []way {
	return []way{
		npm{release: pinned(), keep: pgtemp.Keep},
		apt{root: os.Geteuid() == 0},
		newLibrary(pgtemp.Keep),
	}
}

// way is one way to get a server to where it is found.
type way interface {
	String() string
	// able says what the way needs and doesn't have.
	able() error
	get(ctx context.Context) error
}

// keeper is pgtemp.Keep.
type keeper func(ctx context.Context, version string, get func(ctx context.Context, dir string) error) error

// get tries all ways in turn until a server is found.
func get(ctx context.Context, find func(context.Context) (string, error), ways []way, out io.Writer) error {
	if _, err := find(ctx); !errors.Is(err, pgtemp.ErrNone) {
		return err
	}
	var failed strings.Builder
	for _, w := range ways {
		err := w.able()
		if err == nil {
			fmt.Fprintf(out, "There is no PostgreSQL on this machine. Getting it by %s, once …\n", w)
			err = within(ctx, w.get)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("get PostgreSQL: %w", context.Cause(ctx))
		}
		if err == nil {
			if _, err = find(ctx); err == nil {
				return nil
			}
		}
		fmt.Fprintf(&failed, "\n  %s: %s", w, excerpt(err.Error()))
	}
	return fmt.Errorf("%w. It can't be fetched either:%s", pgtemp.ErrNone, failed.String())
}

func within(ctx context.Context, get func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it took more than %s", timeout))
	defer cancel()
	err := get(ctx)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
