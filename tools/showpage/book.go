package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp"
)

const (
	user        = "demo"
	nightRows   = 900 // invoices of the run that goes on
	nightRate   = "6" // requests a second: slow enough to be watched
	betweenRuns = 20 * time.Second
	patience    = 30 * time.Second // for children that were told to end
)

// book is a demo book with all that it needs.
type book struct {
	options
	dir    string
	server *pgtemp.Server
	api    *billingfake.Server
	log    *os.File
}

func openBook(ctx context.Context, o options) (b *book, err error) {
	if o.password == "" {
		o.password = rand.Text()[:12]
	}
	b = &book{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "billonce-page-"); err != nil {
		return b, err
	}
	if b.log, err = os.Create(filepath.Join(b.dir, "log")); err != nil {
		return b, err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(o.password), bcrypt.DefaultCost)
	if err != nil {
		return b, err
	}
	if err := os.WriteFile(b.usersFile(), []byte(user+":"+string(hash)+"\n"), 0o600); err != nil {
		return b, err
	}
	if b.server, err = pgtemp.Start(ctx, pgtemp.Options{Temporary: true}); err != nil {
		return b, fmt.Errorf("start PostgreSQL: %w", err)
	}
	b.api, err = billingfake.Listen("127.0.0.1:0", faultyAPI())
	return b, err
}

// faultyAPI loses one reply in a hundred behind its effect, refuses one card in two
// hundred, and now and then has an outage of an instant. It knows no idempotency keys.
func faultyAPI() *billingfake.API {
	return billingfake.New(billingfake.Config{
		Latency: 20 * time.Millisecond,
		Traits:  []billingfake.Trait{billingfake.Reject{Percent: 0.5, Seed: 4}},
		Fault: func(r billingfake.Received) billingfake.Fault {
			n, _ := strconv.Atoi(r.Invoice)
			switch {
			case n%167 == 0:
				return billingfake.ApplyThenReset{}
			case n%211 == 0:
				return billingfake.ApplyThen500{}
			case n%97 == 0 && r.Attempt == 1:
				return billingfake.ReplyStatus{Status: 429}
			}
			return nil
		},
	})
}

func (b *book) usersFile() string { return filepath.Join(b.dir, "users") }

func (b *book) close() error {
	var err error
	if b.api != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = b.api.Close(ctx)
	}
	if b.server != nil {
		err = errors.Join(err, b.server.Close())
	}
	if b.log != nil {
		err = errors.Join(err, b.log.Close())
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// command is one of batch's, with settings of its own and none of the environment's.
func (b *book) command(ctx context.Context, settings []string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, b.batch, args...)
	c.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"DATABASE_URL=" + b.server.URL("postgres"),
		"BILLING_URL=" + b.api.URL() + "/v1/invoices/{id}/send",
		"BILLING_TIMEOUT=5s", "BILLING_LOOKUP_AFTER=10s", "RUN_CANARY=0",
	}, settings...)
	c.Stdout, c.Stderr = b.log, b.log
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = patience
	return c
}

// firstNight makes the book, with nights that lie behind it, and one run.
func (b *book) firstNight(ctx context.Context, invoices int) error {
	for _, args := range [][]string{{"seed", strconv.Itoa(invoices)}, {"migrate"}} {
		if err := b.do(b.command(ctx, nil, args...)); err != nil {
			return err
		}
	}
	if err := b.inventNights(ctx); err != nil {
		return err
	}
	return b.do(b.command(ctx, nil, "run"))
}

// inventNights writes runs that never were: a picture of thirty nights needs them.
func (b *book) inventNights(ctx context.Context) (err error) {
	conn, err := pgx.Connect(ctx, b.server.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	_, err = conn.Exec(ctx, `
		insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, started_at, finished_at, exit_code, summary)
		select gen_random_uuid(), 'invoices', 'advisory', 'exclusive', 'billonce/night-' || 30 - ago, 'demo', began, began + interval '11 minutes',
		       case when ago in (5, 19) then 3 when ago = 12 then 4 else 0 end,
		       jsonb_build_object('sent', case ago when 12 then 260 else 900 + ago * 7919 % 430 end, 'in_doubt', case when ago in (5, 19) then 2 else 0 end)
		from generate_series(29, 1, -1) ago, lateral (select current_date - ago + interval '3 hours' as began) n
		where ago not in (7, 8)`)
	if err != nil {
		return fmt.Errorf("invent nights: %w", err)
	}
	return nil
}

// do runs a command to its end. A run that leaves doubts has done what it should.
func (b *book) do(c *exec.Cmd) error {
	err := c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == billing.ExitPerson || exit.ExitCode() == billing.ExitStopped) {
		return nil
	}
	if err != nil {
		text, _ := os.ReadFile(b.log.Name())
		return fmt.Errorf("%s: %w\n%s", c.Args[1], err, text)
	}
	return nil
}

// serve starts the page and says where it is.
func (b *book) serve(ctx context.Context, out io.Writer) (*exec.Cmd, error) {
	c := b.command(ctx, []string{"SERVE_ADDR=" + b.addr, "SERVE_USERS_FILE=" + b.usersFile(), "SERVE_DECIDERS=" + user}, "serve")
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start the page: %w", err)
	}
	fmt.Fprintf(out, "Log in as %s with the password %s. Ctrl-C ends it, and leaves nothing behind.\n", user, b.password)
	return c, nil
}

// goOn runs one night after the other, slowly.
func (b *book) goOn(ctx context.Context) error {
	for ctx.Err() == nil {
		for _, c := range []*exec.Cmd{
			b.command(ctx, nil, "seed", strconv.Itoa(nightRows)),
			b.command(ctx, []string{"BILLING_RATE=" + nightRate}, "run"),
		} {
			if err := ignoreEnd(ctx, b.do(c)); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(betweenRuns):
		}
	}
	return nil
}

// ignoreEnd forgives a command that it was told to end.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
