// Command longlist measures `batch reconcile` with a long list: as many lines against as
// many deliveries, on a PostgreSQL with default settings, with some of each difference.
// The list is made as it is read, and takes no disk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp"
	"github.com/billonce/billonce/internal/reconcile"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "longlist:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("longlist", flag.ContinueOnError)
	lines := flags.Int("lines", 1_000_000, "lines of the list, and deliveries")
	by := flags.String("by", "id", "what the list names: id, key or reply_id")
	if err := flags.Parse(args); err != nil {
		return err
	}
	server, err := pgtemp.Start(ctx, pgtemp.Options{Temporary: true})
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	cfg, err := pgstore.ParseURL(server.URL("postgres"), "longlist")
	if err != nil {
		return err
	}
	if err := pgstore.Seed(ctx, cfg, 0); err != nil {
		return err
	}
	if _, err := pgstore.Migrate(ctx, cfg, book.Demo()); err != nil {
		return err
	}
	if err := timed(out, "made the deliveries", func() error { return deliver(ctx, cfg, *lines) }); err != nil {
		return err
	}
	return measure(ctx, out, cfg, *lines, *by)
}

// deliver makes deliveries that were sent, and one in a thousand that is in doubt.
func deliver(ctx context.Context, cfg *pgx.ConnConfig, lines int) (err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	_, err = conn.Exec(ctx, fmt.Sprintf(`insert into billonce.deliveries
		(invoice_id, idempotency_key, run_id, attempt, run_attempt, first_sent_at, deadline_at, updated_at, state, open_state, amount, currency, reply_id)
		select n, lpad(to_hex(n), 32, '0')::uuid, '00000000-0000-0000-0000-000000000001', 1, 1, now(), now(), now(),
		       case when n %% 1000 = 0 then 'in_doubt' else 'sent' end, case when n %% 1000 = 0 then 'in_doubt' end, 10.50, 'EUR', 'in_' || n
		from generate_series(1, %d) n`, lines))
	if err == nil {
		_, err = conn.Exec(ctx, "vacuum analyze billonce.deliveries")
	}
	return err
}

func measure(ctx context.Context, out io.Writer, cfg *pgx.ConnConfig, lines int, by string) (err error) {
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
	if err := timed(out, "read the list", func() error { return r.Read(ctx, &list{by: by, last: lines}) }); err != nil {
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

// list is CSV with a line for each delivery, in another order than theirs; some are
// missing, some are there twice, and some have another amount.
type list struct {
	by      string
	at      int
	last    int
	pending []byte
}

// Read implements io.Reader.
func (l *list) Read(into []byte) (int, error) {
	for len(l.pending) < len(into) && l.at <= l.last {
		l.pending = l.appendLine(l.pending)
		l.at++
	}
	if len(l.pending) == 0 {
		return 0, io.EOF
	}
	n := copy(into, l.pending)
	l.pending = l.pending[:copy(l.pending, l.pending[n:])]
	return n, nil
}

func (l *list) appendLine(b []byte) []byte {
	if l.at == 0 {
		return append(b, l.by+",amount,currency,note\n"...)
	}
	const stride = 7_368_787 // a prime: every id comes once, if the last one is no multiple of it
	n := int(uint64(l.at)*stride%uint64(l.last)) + 1
	switch {
	case n%10_007 == 0:
		return b
	case n%20_011 == 0:
		b = l.appendOne(b, n, "10.50")
	case n%30_011 == 0:
		return l.appendOne(b, n, "11.00")
	}
	return l.appendOne(b, n, "10.50")
}

func (l *list) appendOne(b []byte, n int, amount string) []byte {
	switch l.by {
	case "key":
		b = fmt.Appendf(b, "%032x", n)
	case "reply_id":
		b = fmt.Appendf(b, "in_%d", n)
	default:
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return append(append(append(b, ',', '"'), amount...), "\",EUR,paid by card\n"...)
}
