// Command showpage shows what `batch serve` is like: a book of demo invoices on a private
// PostgreSQL, a billing API with faults, doubts to decide, and a run that goes on. It
// needs no setting, and takes none from the environment.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/tools/lab"
)

const (
	user        = "demo"
	nightRows   = 900 // invoices of the run that goes on
	nightRate   = "6" // requests a second: slow enough to be watched
	betweenRuns = 20 * time.Second
)

func main() {
	var o options
	flag.StringVar(&o.batch, "batch", "bin/batch", "the program")
	flag.StringVar(&o.addr, "addr", "127.0.0.1:8321", "where the page is")
	flag.StringVar(&o.password, "password", "", "of the user demo; empty: a new one")
	flag.IntVar(&o.invoices, "invoices", 1200, "invoices of the run that is over as the page opens")
	lab.Main("showpage", func(ctx context.Context, out io.Writer) error { return show(ctx, o, out) })
}

type options struct {
	batch, addr, password string
	invoices              int
}

func show(ctx context.Context, o options, out io.Writer) (err error) {
	if o.password == "" {
		o.password = rand.Text()[:12]
	}
	b, err := lab.Open(ctx, o.batch, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	// It loses one reply in a hundred behind its effect, and refuses one card in two hundred.
	// It knows no idempotency keys.
	api, err := b.StartAPI(ctx, "--latency", "20ms", "--reject-percent", "0.5", "--seed", "4",
		"--faults", "apply_then_reset=0.006,apply_then_500=0.005")
	if err != nil {
		return err
	}
	defer func() { _, _ = api.Stop() }() // Ctrl-C may have ended it already
	fmt.Fprintln(out, "A first run leaves a few doubts…")
	if err := errors.Join(b.Seed(ctx, o.invoices), b.Execute(ctx, nights)); err != nil {
		return err
	}
	settings := []string{"BILLING_URL=" + api.Billing(), "BILLING_TIMEOUT=5s", "BILLING_LOOKUP_AFTER=10s"}
	if err := send(ctx, b, settings); err != nil {
		return err
	}
	users, err := usersFile(b.Dir, o.password)
	if err != nil {
		return err
	}
	g, going := errgroup.WithContext(ctx)
	serve := b.Command(going, append(settings, "SERVE_ADDR="+o.addr, "SERVE_USERS_FILE="+users, "SERVE_DECIDERS="+user), "serve")
	serve.Stdout, serve.Stderr = out, out
	if err := serve.Start(); err != nil {
		return fmt.Errorf("start the page: %w", err)
	}
	fmt.Fprintf(out, "Log in as %s with the password %s. Ctrl-C ends it, and leaves nothing behind.\n", user, o.password)
	g.Go(func() error { return errors.Join(serve.Wait(), errors.New("the page has ended")) })
	g.Go(func() error { return goOn(going, b, append(settings, "BILLING_RATE="+nightRate)) })
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil // it was told to end
}

// nights are runs that never were: a picture of thirty nights needs them.
const nights = `
	insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, started_at, finished_at, exit_code, summary)
	select gen_random_uuid(), 'invoices', 'advisory', 'exclusive', 'billonce/night-' || 30 - ago, 'demo', began, began + interval '11 minutes',
	       case when ago in (5, 19) then 3 when ago = 12 then 4 else 0 end,
	       jsonb_build_object('sent', case ago when 12 then 260 else 900 + ago * 7919 % 430 end, 'in_doubt', case when ago in (5, 19) then 2 else 0 end)
	from generate_series(29, 1, -1) ago, lateral (select current_date - ago + interval '3 hours' as began) n
	where ago not in (7, 8)`

func usersFile(dir, password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "users")
	return name, os.WriteFile(name, []byte(user+":"+string(hash)+"\n"), 0o600)
}

// send is a run. One that leaves doubts has done what it should.
func send(ctx context.Context, b *lab.Book, settings []string) error {
	_, err := b.Run(ctx, settings, "run")
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == billing.ExitPerson || exit.ExitCode() == billing.ExitStopped) {
		return nil
	}
	return err
}

// goOn runs one night after the other, slowly.
func goOn(ctx context.Context, b *lab.Book, settings []string) error {
	for {
		if err := errors.Join(b.Seed(ctx, nightRows), send(ctx, b, settings)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(betweenRuns):
		}
	}
}
