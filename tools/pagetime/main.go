// Command pagetime measures `batch serve` on a long ledger: how long each page and the preview
// of decisions take, with many invoices open and a run under way, and what readers cost that
// watch live.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/billonce/billonce/tools/lab"
)

func main() {
	var o options
	flag.StringVar(&o.batch, "batch", "bin/batch", "the program")
	flag.IntVar(&o.deliveries, "deliveries", 1_000_000, "of the ledger")
	flag.IntVar(&o.open, "open", 100_000, "of those, in doubt or failed")
	flag.IntVar(&o.readers, "readers", 100, "that watch live")
	flag.DurationVar(&o.watch, "watch", 20*time.Second, "how long they watch")
	lab.Main("pagetime", func(ctx context.Context, out io.Writer) error { return measure(ctx, o, out) })
}

type options struct {
	batch                     string
	deliveries, open, readers int
	watch                     time.Duration
}

func measure(ctx context.Context, o options, out io.Writer) (err error) {
	b, err := lab.Open(ctx, o.batch, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	fmt.Fprintf(out, "making %d deliveries, %d of them open…\n", o.deliveries, o.open)
	if err := fill(ctx, b, o); err != nil {
		return err
	}
	stop, err := startRun(ctx, b, o)
	if err != nil {
		return err
	}
	defer stop()
	s, err := lab.Serve(b.Command(ctx, []string{
		"SERVE_ADDR=127.0.0.1:0", "SERVE_PROXY_HEADER=" + userHeader, "SERVE_TRUSTED_PROXIES=127.0.0.1", "SERVE_DECIDERS=" + user,
	}, "serve"))
	if err != nil {
		return err
	}
	p := page{s, out}
	defer func() {
		_, serr := s.Stop()
		err = errors.Join(err, serr)
	}()
	for _, path := range []string{"", "decide", "open?kind=in_doubt", "open?kind=failed", "invoice?id=1", "invoice?id=" + strconv.Itoa(o.deliveries), "reconciled"} {
		if _, err := p.time(ctx, path, nil); err != nil {
			return err
		}
	}
	if err := p.preview(ctx); err != nil {
		return err
	}
	if err := underWay(ctx, b); err != nil {
		return err
	}
	return p.watched(ctx, b, o)
}

// fill makes the ledger: what is open is pending, the rest was sent on thirty nights.
func fill(ctx context.Context, b *lab.Book, o options) error {
	return b.Execute(ctx,
		fmt.Sprintf(`insert into invoices (customer, amount_cents, currency, due_date, pending, sent_at)
			select 'Customer ' || n, n %% 90000 + 100, 'EUR', current_date, n > %[1]d, case when n <= %[1]d then now() end
			from generate_series(1, %[2]d) n`, o.deliveries-o.open, o.deliveries+1000),
		fmt.Sprintf(`insert into billonce.deliveries (invoice_id, idempotency_key, run_id, attempt, run_attempt, first_sent_at, deadline_at, updated_at,
				state, open_state, doubtful, error, http_status, amount, currency)
			select n, lpad(to_hex(n), 32, '0')::uuid, '00000000-0000-0000-0000-000000000001', 1, 1, t, t, t, s, case when s <> 'sent' then s end, s = 'in_doubt',
				case s when 'in_doubt' then 'connection reset by peer ' || n when 'failed' then 'HTTP 402: card declined ' || n end, case s when 'failed' then 402 end, (n %% 90000 + 100) / 100.0, 'EUR'
			from generate_series(1, %d) n, lateral (select case when n <= %d then 'sent' when n %% 2 = 0 then 'in_doubt' else 'failed' end as s, now() - n %% 30 * interval '1 day' - interval '1 hour' as t) v`,
			o.deliveries, o.deliveries-o.open),
		`insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, started_at, finished_at, exit_code, summary)
			select gen_random_uuid(), 'invoices', 'advisory', 'exclusive', 'billonce/' || n, 'test', now() - n * interval '1 day', now() - n * interval '1 day', 3, '{"sent": 900}' from generate_series(1, 30) n`,
		"vacuum analyze")
}

// startRun starts a run that goes on for as long as anybody measures: it sends ten a second
// of a thousand.
func startRun(ctx context.Context, b *lab.Book, o options) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	c := b.Command(ctx, []string{"BILLING_RATE=10", "LOG_LEVEL=error"}, "fake-api", "--latency", "100ms", "--", o.batch, "run")
	if err := c.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start the run: %w", err)
	}
	stop = func() {
		cancel()
		_ = c.Wait() // it was stopped early
	}
	for sent := false; !sent; {
		if err := b.Conn.QueryRow(ctx, "select exists (select from invoices where id > $1 and not pending)", o.deliveries).Scan(&sent); err != nil {
			stop()
			return nil, err
		}
	}
	return stop, nil
}

// underWay wants the run to have gone on all the while.
func underWay(ctx context.Context, b *lab.Book) error {
	var going bool
	err := b.Conn.QueryRow(ctx, "select exists (select from billonce.runs where finished_at is null)").Scan(&going)
	if err == nil && !going {
		err = errors.New("the run has ended before the pages were measured")
	}
	return err
}
