package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp"
)

const (
	application = "lab"
	patience    = 30 * time.Second // for a process that was told to end
)

// Book is the demo's table and its ledger on a PostgreSQL that ends with it.
type Book struct {
	Program string // batch
	Dir     string // for what goes with it
	Server  *pgtemp.Server
	Conn    *pgx.Conn
}

// Open starts the server, with settings beside PostgreSQL's defaults. Without a program
// it builds one.
func Open(ctx context.Context, program string, settings map[string]string) (_ *Book, err error) {
	b := &Book{Program: program}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.Dir, err = os.MkdirTemp("", "billonce-lab-"); err != nil {
		return nil, err
	}
	if program == "" {
		b.Program = filepath.Join(b.Dir, "batch")
		if err := Build(ctx, "", Batch, b.Program); err != nil {
			return nil, err
		}
	}
	if b.Server, err = pgtemp.Start(ctx, pgtemp.Options{Temporary: true, Settings: settings}); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	cfg, err := pgstore.ParseURL(b.URL(), application)
	if err != nil {
		return nil, err
	}
	if b.Conn, err = pgx.ConnectConfig(ctx, cfg); err != nil {
		return nil, err
	}
	return b, b.Seed(ctx, 0)
}

// Demo adds pending invoices to a database, and makes their table and the ledger where
// there is none.
func Demo(ctx context.Context, url string, invoices int) error {
	cfg, err := pgstore.ParseURL(url, application)
	if err != nil {
		return err
	}
	if err := pgstore.Seed(ctx, cfg, invoices); err != nil {
		return err
	}
	_, err = pgstore.Migrate(ctx, cfg, book.Demo())
	return err
}

// URL of the database.
func (b *Book) URL() string { return b.Server.URL("postgres") }

// Seed adds pending invoices.
func (b *Book) Seed(ctx context.Context, invoices int) error { return Demo(ctx, b.URL(), invoices) }

// Execute executes statements, each in a transaction of its own.
func (b *Book) Execute(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := b.Conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// Command is one of batch's, with these settings and none of the environment's, except
// how Go runs it.
func (b *Book) Command(ctx context.Context, settings []string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, b.Program, args...)
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "GO") || strings.HasPrefix(variable, "PATH=") {
			c.Env = append(c.Env, variable)
		}
	}
	c.Env = append(append(c.Env, "DATABASE_URL="+b.URL(), "LOG_LEVEL=warn", "RUN_CANARY=0"), settings...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = patience
	return c
}

// Run runs a command to its end, and says what that took.
func (b *Book) Run(ctx context.Context, settings []string, args ...string) (*os.ProcessState, error) {
	return run(b.Command(ctx, settings, args...))
}

func run(c *exec.Cmd) (*os.ProcessState, error) {
	said, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", filepath.Base(c.Path), c.Args[1], err, said)
	}
	return c.ProcessState, err
}

// RunOther runs another program to its end, and says what that took.
func RunOther(ctx context.Context, program string, args ...string) (*os.ProcessState, error) {
	return run(exec.CommandContext(ctx, program, args...))
}

// Close ends the server, and removes what there was.
func (b *Book) Close() (err error) {
	if b.Conn != nil {
		err = b.Conn.Close(context.Background())
	}
	if b.Server != nil {
		err = errors.Join(err, b.Server.Close())
	}
	return errors.Join(err, os.RemoveAll(b.Dir))
}
