// Command longlist measures `batch reconcile` with a long list: as many lines against as
// many deliveries, on a PostgreSQL with default settings, with some of each difference.
// The list is made as it is read, and takes no disk.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/reconcile"
	"github.com/billonce/billonce/tools/lab"
)

func main() {
	lines := flag.Int("lines", 1_000_000, "lines of the list, and deliveries")
	lab.Main("longlist", func(ctx context.Context, out io.Writer) error { return run(ctx, out, *lines) })
}

// deliveries were sent, and one in a thousand is in doubt.
const deliveries = `insert into billonce.deliveries
	(invoice_id, idempotency_key, run_id, attempt, run_attempt, first_sent_at, deadline_at, updated_at, state, open_state, amount, currency, reply_id)
	select n, lpad(to_hex(n), 32, '0')::uuid, '00000000-0000-0000-0000-000000000001', 1, 1, now(), now(), now(),
	       case when n %% 1000 = 0 then 'in_doubt' else 'sent' end, case when n %% 1000 = 0 then 'in_doubt' end, 10.50, 'EUR', 'in_' || n
	from generate_series(1, %d) n`

func run(ctx context.Context, out io.Writer, lines int) (err error) {
	// `batch reconcile` is not run, but what is below it: no program is built.
	b, err := lab.Open(ctx, "batch", nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	err = timed(out, "made the deliveries", func() error {
		return b.Execute(ctx, fmt.Sprintf(deliveries, lines), "vacuum analyze billonce.deliveries")
	})
	if err != nil {
		return err
	}
	return measure(ctx, out, b.Conn.Config(), lines)
}

func measure(ctx context.Context, out io.Writer, cfg *pgx.ConnConfig, lines int) (err error) {
	r, err := reconcile.Open(ctx, reconcile.Config{
		Conn: pgstore.Unprepared(cfg), Book: pgstore.DeskBook{Book: book.Demo()}, File: "longlist", By: "longlist",
		Progress: func(n int64) {
			if n%1_000_000 == 0 {
				fmt.Fprintf(out, "  %d lines read\n", n)
			}
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(ctx)) }()
	read, write := io.Pipe()
	defer func() { _ = read.Close() }() // else the writer would wait for ever where reading fails
	go func() { write.CloseWithError(writeList(write, lines)) }()
	if err := timed(out, "read the list", func() error { return r.Read(ctx, read) }); err != nil {
		return err
	}
	var report reconcile.Report
	if err := timed(out, "compared", func() (err error) { report, err = r.Compare(ctx); return err }); err != nil {
		return err
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	fmt.Fprintf(out, "our memory: %d MiB\n\n", memory.Sys>>20)
	return report.Print(out)
}

func timed(out io.Writer, what string, f func() error) error {
	begun := time.Now()
	err := f()
	fmt.Fprintf(out, "%s in %s\n", what, time.Since(begun).Round(100*time.Millisecond))
	return err
}

// writeList writes CSV with a line for each delivery, in another order than theirs; some
// are missing, some are there twice, and some have another amount.
func writeList(to io.Writer, lines int) error {
	const stride = 7_368_787 // a prime: every id comes once, if the last one is no multiple of it
	w := bufio.NewWriter(to)
	fmt.Fprintln(w, "id,amount,currency,note")
	for at := 1; at <= lines; at++ {
		n := int(uint64(at)*stride%uint64(lines)) + 1
		times, amount := 1, "10.50"
		switch {
		case n%10_007 == 0:
			times = 0
		case n%20_011 == 0:
			times = 2
		case n%30_011 == 0:
			amount = "11.00"
		}
		for range times {
			if _, err := fmt.Fprintf(w, "%d,\"%s\",EUR,paid by card\n", n, amount); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}
