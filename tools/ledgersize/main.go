// Command ledgersize measures what the ledger costs: nights of real runs against a
// PostgreSQL with default settings, each with its seed, its run and the vacuum that
// follows, and then the bytes of table and indexes, and of WAL, that an invoice took.
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
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/pgtemp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ledgersize:", err)
		os.Exit(1)
	}
}

type options struct {
	nights, invoices int
	latency          string
	faults           string
	batch            string
	vacuum           bool
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var o options
	flags := flag.NewFlagSet("ledgersize", flag.ContinueOnError)
	flags.IntVar(&o.nights, "nights", 365, "nights, one run each")
	flags.IntVar(&o.invoices, "invoices", 1000, "new invoices each night")
	flags.StringVar(&o.latency, "latency", "20ms", "time that the API takes for each")
	flags.StringVar(&o.faults, "faults", "reply_400=0.002,apply_then_500=0.01", "of the API (batch fake-api --faults)")
	flags.StringVar(&o.batch, "batch", "", "a batch that is built already")
	flags.BoolVar(&o.vacuum, "vacuum", true, "vacuum the ledger after each night, as its storage parameters ask for (false: leave it to autovacuum)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	server, err := pgtemp.Start(ctx, pgtemp.Options{Temporary: true})
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	b := &book{options: o, url: server.URL("postgres")}
	if b.batch == "" {
		folder, err := os.MkdirTemp("", "ledgersize")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
		b.batch = filepath.Join(folder, "batch")
		if output, err := exec.CommandContext(ctx, "go", "build", "-o", b.batch, "github.com/billonce/billonce/cmd/batch").CombinedOutput(); err != nil {
			return fmt.Errorf("build batch: %w\n%s", err, output)
		}
	}
	if b.conn, err = pgx.Connect(ctx, b.url); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.conn.Close(context.WithoutCancel(ctx))) }()
	return b.measure(ctx, out)
}

// book is the demo's table and its ledger.
type book struct {
	options
	url  string
	conn *pgx.Conn
}

func (b *book) measure(ctx context.Context, out io.Writer) error {
	if err := b.execute(ctx, "seed", "0"); err != nil {
		return err
	}
	if err := b.execute(ctx, "migrate"); err != nil {
		return err
	}
	fmt.Fprintf(out, "%8s %10s %14s %14s %14s %10s\n", "night", "invoices", "WAL, bytes", "all nights'", "ledger, bytes", "heap-only")
	var all int64
	for night := 1; night <= b.nights; night++ {
		wal, err := b.night(ctx)
		if err != nil {
			return fmt.Errorf("night %d: %w", night, err)
		}
		all += wal
		if night > 3 && night%50 != 0 && night != b.nights {
			continue
		}
		var invoices, bytes int64
		var hot float64
		err = b.conn.QueryRow(ctx, `select (select count(*) from billonce.deliveries),
			pg_total_relation_size('billonce.deliveries'),
			(select coalesce(100.0 * n_tup_hot_upd / nullif(n_tup_upd, 0), 0) from pg_stat_user_tables where relid = 'billonce.deliveries'::regclass)`).
			Scan(&invoices, &bytes, &hot)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%8d %10d %14d %14d %14d %9.1f%%\n", night, invoices,
			wal/int64(b.invoices), all/invoices, bytes/invoices, hot)
	}
	return nil
}

// night returns the bytes of WAL that the night's run has written: what the first
// change to a page after a checkpoint costs, and marking the invoices, included.
func (b *book) night(ctx context.Context) (wal int64, err error) {
	if err := b.execute(ctx, "seed", strconv.Itoa(b.invoices)); err != nil {
		return 0, err
	}
	// Days lie between two nights: autovacuum and checkpoints have been.
	if _, err := b.conn.Exec(ctx, "vacuum analyze invoices"); err != nil {
		return 0, err
	}
	if b.vacuum {
		if _, err := b.conn.Exec(ctx, "vacuum analyze billonce.deliveries"); err != nil {
			return 0, err
		}
	}
	if _, err := b.conn.Exec(ctx, "checkpoint"); err != nil {
		return 0, err
	}
	var before string
	if err := b.conn.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&before); err != nil {
		return 0, err
	}
	err = b.execute(ctx, "fake-api", "--idempotent", "--latency", b.latency, "--faults", b.faults, "--seed", strconv.Itoa(int(b.invoices)),
		"--", b.batch, "run")
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 3 {
		err = nil // some were refused
	}
	if err != nil {
		return 0, err
	}
	err = b.conn.QueryRow(ctx, "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn)::bigint", before).Scan(&wal)
	return wal, err
}

func (b *book) execute(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, b.batch, args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+b.url, "BILLING_IDEMPOTENT=true", "LOG_LEVEL=error")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("batch %s: %w\n%s", args[0], err, output)
	}
	return nil
}
