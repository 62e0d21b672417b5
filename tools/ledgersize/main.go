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
	"os/exec"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/tools/lab"
)

func main() {
	nights := flag.Int("nights", 365, "nights, one run each")
	invoices := flag.Int("invoices", 1000, "new invoices each night")
	lab.Main("ledgersize", func(ctx context.Context, out io.Writer) error { return measure(ctx, out, *nights, *invoices) })
}

func measure(ctx context.Context, out io.Writer, nights, invoices int) (err error) {
	b, err := lab.Open(ctx, "", nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	fmt.Fprintf(out, "%8s %10s %14s %14s %14s %10s\n", "night", "invoices", "WAL, bytes", "all nights'", "ledger, bytes", "heap-only")
	var all int64
	for night := 1; night <= nights; night++ {
		wal, err := oneNight(ctx, b, invoices)
		if err != nil {
			return fmt.Errorf("night %d: %w", night, err)
		}
		all += wal
		if night > 3 && night%50 != 0 && night != nights {
			continue
		}
		var deliveries, bytes int64
		var hot float64
		err = b.Conn.QueryRow(ctx, `select (select count(*) from billonce.deliveries),
			pg_total_relation_size('billonce.deliveries'),
			(select coalesce(100.0 * n_tup_hot_upd / nullif(n_tup_upd, 0), 0) from pg_stat_user_tables where relid = 'billonce.deliveries'::regclass)`).
			Scan(&deliveries, &bytes, &hot)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%8d %10d %14d %14d %14d %9.1f%%\n", night, deliveries, wal/int64(invoices), all/deliveries, bytes/deliveries, hot)
	}
	return nil
}

// oneNight returns the bytes of WAL that the night's run has written: what the first
// change to a page after a checkpoint costs, and marking the invoices, included.
func oneNight(ctx context.Context, b *lab.Book, invoices int) (wal int64, err error) {
	// Days lie between two nights: autovacuum and checkpoints have been.
	if err := errors.Join(b.Seed(ctx, invoices), b.Execute(ctx, "vacuum analyze invoices", "vacuum analyze billonce.deliveries", "checkpoint")); err != nil {
		return 0, err
	}
	var before string
	if err := b.Conn.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&before); err != nil {
		return 0, err
	}
	_, err = b.Run(ctx, []string{"BILLING_IDEMPOTENT=true", "LOG_LEVEL=error"},
		"fake-api", "--idempotent", "--latency", "20ms", "--faults", "reply_400=0.002,apply_then_500=0.01", "--", b.Program, "run")
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != billing.ExitPerson) {
		return 0, err // else some were refused
	}
	err = b.Conn.QueryRow(ctx, "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn)::bigint", before).Scan(&wal)
	return wal, err
}
