// Command bench times `batch run` against a bare loop that only calls the API,
// round by round, and prints the ratio of the two. It builds and starts what it
// needs: the runner and the API as processes of their own, and a PostgreSQL with
// default settings.
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
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"billonce/internal/billing"
	"billonce/internal/billing/billingfake"
	"billonce/internal/billing/billinghttp"
	"billonce/internal/billing/pgstore"
	"billonce/internal/pgtemp"
)

// scenario is one way to run.
type scenario struct {
	name        string
	latency     time.Duration
	concurrency int
	environment []string
}

func scenarios() []scenario {
	idempotent := "BILLING_IDEMPOTENT=true"
	return []scenario{
		{"advisory, no latency, idempotent API", 0, 64, []string{idempotent}},
		{"advisory, no latency, no keys", 0, 64, nil},
		{"row, no latency, idempotent API", 0, 64, []string{idempotent, "LOCK_STRATEGY=row"}},
		{"row, no latency, no keys", 0, 64, []string{"LOCK_STRATEGY=row"}},
		{"advisory, 20 ms, idempotent API", 20 * time.Millisecond, 256, []string{idempotent}},
		{"advisory, 20 ms, no keys", 20 * time.Millisecond, 256, nil},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	invoices := flag.Int("invoices", 20_000, "invoices in each run")
	rounds := flag.Int("rounds", 5, "rounds of each scenario")
	only := flag.Int("scenario", 0, "only this one, from 1")
	flag.Parse()
	if err := bench(ctx, os.Stdout, *invoices, *rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, out io.Writer, invoices, rounds, only int) (err error) {
	dir, err := os.MkdirTemp("", "billonce-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	batch := filepath.Join(dir, "batch")
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", batch, "billonce/cmd/batch").CombinedOutput(); err != nil {
		return fmt.Errorf("build batch: %w\n%s", err, text)
	}
	server, err := pgtemp.Start(ctx, pgtemp.Options{Temporary: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	b := bencher{batch: batch, url: server.URL("postgres"), invoices: invoices}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d invoices, %d rounds; seconds as median (min–max), the loop and the run in turn\n\n", invoices, rounds)
	fmt.Fprintf(out, "%-40s %-22s %-22s %s\n", "", "bare loop", "batch run", "ratio")
	for n, s := range scenarios() {
		if only != 0 && only != n+1 {
			continue
		}
		if err := b.scenario(ctx, out, s, rounds); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

type bencher struct {
	batch, url string
	invoices   int
}

func (b bencher) prepare(ctx context.Context) error {
	cfg, err := pgstore.ParseURL(b.url, "bench")
	if err != nil {
		return err
	}
	if err := pgstore.Seed(ctx, cfg, 0); err != nil {
		return err
	}
	return b.run(ctx, "migrate")
}

func (b bencher) scenario(ctx context.Context, out io.Writer, s scenario, rounds int) error {
	var bare, run, ratio []float64
	for round := range rounds + 1 {
		loop, err := b.withAPI(ctx, s, b.bareLoop)
		if err != nil {
			return err
		}
		if err := b.run(ctx, "seed", strconv.Itoa(b.invoices)); err != nil {
			return err
		}
		took, err := b.withAPI(ctx, s, b.batchRun)
		if err != nil {
			return err
		}
		if round == 0 {
			continue // warm-up
		}
		bare, run, ratio = append(bare, loop.Seconds()), append(run, took.Seconds()), append(ratio, took.Seconds()/loop.Seconds())
	}
	fmt.Fprintf(out, "%-40s %-22s %-22s %s\n", s.name, spread(bare), spread(run), spread(ratio))
	return nil
}

// withAPI times f against an API of its own, and checks that it was asked for
// every invoice once.
func (b bencher) withAPI(ctx context.Context, s scenario, f func(context.Context, scenario, string) error) (time.Duration, error) {
	api := billingfake.New(billingfake.Config{Idempotent: true, Latency: s.latency})
	server, err := billingfake.Listen("127.0.0.1:0", api)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	err = f(ctx, s, server.URL()+"/v1/invoices/{id}/send")
	took := time.Since(began)
	if sum := api.Summary(); err == nil && (sum.Requests != b.invoices || sum.Effects != b.invoices) {
		err = fmt.Errorf("%d requests and %d effects for %d invoices", sum.Requests, sum.Effects, b.invoices)
	}
	return took, errors.Join(err, server.Close(ctx))
}

func (b bencher) batchRun(ctx context.Context, s scenario, url string) error {
	return b.run(ctx, "run", append(s.environment, "BILLING_URL="+url, "CONCURRENCY="+strconv.Itoa(s.concurrency))...)
}

// run runs batch; for `run`, what follows the command is its environment.
func (b bencher) run(ctx context.Context, command string, more ...string) error {
	args := []string{command}
	environment := append(os.Environ(), "DATABASE_URL="+b.url, "LOG_LEVEL=warn")
	if command == "run" {
		environment = append(environment, more...)
	} else {
		args = append(args, more...)
	}
	c := exec.CommandContext(ctx, b.batch, args...)
	c.Env = environment
	if text, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("batch %s: %w\n%s", command, err, text)
	}
	return nil
}

// bareLoop posts the same requests through the same client, and does nothing
// else.
func (b bencher) bareLoop(ctx context.Context, s scenario, url string) error {
	client, err := billinghttp.New(billinghttp.Config{
		URL: url, Method: "POST", Body: "row", Timeout: 30 * time.Second, Concurrency: s.concurrency,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	next := make(chan int)
	var senders sync.WaitGroup
	var mu sync.Mutex
	var fault error
	for range s.concurrency {
		senders.Go(func() {
			for n := range next {
				if err := post(ctx, client, n); err != nil {
					mu.Lock()
					fault = err
					mu.Unlock()
				}
			}
		})
	}
	for n := range b.invoices {
		next <- n + 1
	}
	close(next)
	senders.Wait()
	return fault
}

func post(ctx context.Context, client *billinghttp.Client, n int) error {
	id := strconv.Itoa(n)
	m, err := client.Render(billing.Invoice{
		ID: billing.InvoiceID(id), Columns: []*string{&id},
		Row: fmt.Appendf(nil, `{"id":%d,"customer":"Customer %d","amount_cents":1234,"currency":"EUR","due_date":"2026-01-01","pending":true,"sent_at":null}`, n, n),
	})
	if err != nil {
		return err
	}
	m.IdempotencyKey = id
	if reply := client.Send(ctx, m, func() error { return nil }); reply.Outcome != billing.Accepted {
		return fmt.Errorf("invoice %d: %s (%s)", n, reply.Outcome, reply.Reason)
	}
	return nil
}

func spread(values []float64) string {
	slices.Sort(values)
	return fmt.Sprintf("%.2f (%.2f–%.2f)", values[len(values)/2], values[0], values[len(values)-1])
}
