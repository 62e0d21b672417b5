// Command river sends the pending invoices of the demo's table as jobs of River
// (riverqueue.com), for `make bench`: a yardstick that many would reach for.
//
//	river migrate DATABASE_URL
//	river run DATABASE_URL BILLING_URL CONCURRENCY
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: river migrate DATABASE_URL | river run DATABASE_URL BILLING_URL CONCURRENCY")
	}
	cfg, err := pgxpool.ParseConfig(args[1])
	if err != nil {
		return err
	}
	cfg.MaxConns = connections
	cfg.ConnConfig.RuntimeParams["application_name"] = "billonce-bench-river"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	if args[0] == "migrate" {
		m, err := rivermigrate.New(riverpgxv5.New(pool), nil)
		if err != nil {
			return err
		}
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	}
	concurrency, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	return send(ctx, pool, args[2], concurrency)
}

const (
	connections = 16 // more were no faster
	insertBatch = 10_000
)

// invoice is a job: the row travels with it, as River's documentation advises
// for what the worker needs.
type invoice struct {
	ID  int64           `json:"id"`
	Row json.RawMessage `json:"row"`
}

// Kind implements river.JobArgs.
func (invoice) Kind() string { return "invoice" }

type worker struct {
	river.WorkerDefaults[invoice]
	pool   *pgxpool.Pool
	client *billinghttp.Client
	left   *atomic.Int64
	done   chan struct{}
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, job *river.Job[invoice]) error {
	id := strconv.FormatInt(job.Args.ID, 10)
	m, err := w.client.Render(billing.Invoice{ID: billing.InvoiceID(id), Columns: []*string{&id}, Row: job.Args.Row})
	if err != nil {
		return err
	}
	m.IdempotencyKey = id
	if reply := w.client.Send(ctx, m, func() error { return nil }); reply.Outcome != billing.Accepted {
		return fmt.Errorf("invoice %s: %s", id, reply.Reason)
	}
	if _, err := w.pool.Exec(ctx, "update invoices set pending = false, sent_at = now() where id = $1", job.Args.ID); err != nil {
		return err
	}
	if w.left.Add(-1) == 0 {
		close(w.done)
	}
	return nil
}

func send(ctx context.Context, pool *pgxpool.Pool, url string, concurrency int) error {
	client, err := billinghttp.New(billinghttp.Config{
		URL: url, Method: "POST", Body: "row", Timeout: 30 * time.Second, Concurrency: concurrency,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	w := &worker{pool: pool, client: client, left: new(atomic.Int64), done: make(chan struct{})}
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	queue, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: concurrency}},
		Workers:           workers,
		FetchCooldown:     river.FetchCooldownMin,
		FetchPollInterval: 10 * time.Millisecond,
		JobTimeout:        time.Minute,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	if err := enqueue(ctx, pool, queue, w.left); err != nil {
		return err
	}
	if err := queue.Start(ctx); err != nil {
		return err
	}
	<-w.done
	return queue.Stop(ctx)
}

func enqueue(ctx context.Context, pool *pgxpool.Pool, queue *river.Client[pgx.Tx], left *atomic.Int64) error {
	rows, err := pool.Query(ctx, "select id, row_to_json(i)::text from invoices i where pending order by id")
	if err != nil {
		return err
	}
	var batch []river.InsertManyParams
	var id int64
	var row string
	_, err = pgx.ForEachRow(rows, []any{&id, &row}, func() error {
		left.Add(1)
		batch = append(batch, river.InsertManyParams{Args: invoice{ID: id, Row: json.RawMessage(row)}})
		return nil
	})
	if err != nil {
		return err
	}
	for len(batch) > 0 {
		n := min(len(batch), insertBatch)
		if _, err := queue.InsertManyFast(ctx, batch[:n]); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}
