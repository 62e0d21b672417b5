package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// The promises of docs/guarantees.md on the plain path, each with real
// processes, a real PostgreSQL, and the API's own account as the judge.

func wantOneEffectEach(t *testing.T, b *book, invoices int) {
	t.Helper()
	for n := 1; n <= invoices; n++ {
		if r := b.api.Invoice(fmt.Sprint(n)); r.Effects != 1 {
			t.Errorf("invoice %d: %d effects after %d requests", n, r.Effects, r.Requests)
		}
	}
}

func TestP1P2P3ManyRunnersSendEachInvoiceOnce(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		for _, runners := range []int{2, 8} {
			for _, idempotent := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d_runners_idempotent_%t", runners, idempotent), func(t *testing.T) {
					t.Parallel()
					const invoices = 2000
					b := newBook(t, invoices, billingfake.Config{Idempotent: idempotent})
					all := make([]*proc, runners)
					for i := range all {
						all[i] = b.start("RUN_LOCK=shared", strategy)
					}
					for _, p := range all {
						p.wantExit(0)
					}
					c := b.api.Counts()
					if c.Requests != invoices || c.Effects != invoices {
						t.Errorf("%d requests and %d effects for %d invoices", c.Requests, c.Effects, invoices)
					}
					wantOneEffectEach(t, b, invoices)
					b.wantStates(fmt.Sprintf("sent/false=%d", invoices))
				})
			}
		}
	})
}

// P1: the intent is committed before the first byte of the request.
func TestP1IntentIsCommittedBeforeTheRequest(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		for _, idempotent := range []bool{false, true} {
			t.Run(fmt.Sprintf("idempotent_%t", idempotent), func(t *testing.T) {
				t.Parallel()
				const invoices = 200
				var b *book
				var conn *pgx.Conn
				var mu sync.Mutex
				var asked, missing int
				b = newBook(t, invoices, billingfake.Config{Idempotent: idempotent, Before: func(r billingfake.Received) {
					mu.Lock()
					defer mu.Unlock()
					var committed bool
					err := conn.QueryRow(context.Background(),
						`select count(*) = 1 from billonce.deliveries
						 where invoice_id = $1::text::bigint and state = 'sending' and idempotency_key = $2::text::uuid
						   and body_sha256 = sha256($3)`, r.Invoice, r.Key, r.Body).Scan(&committed)
					asked++
					if err != nil || !committed {
						missing++
					}
				}})
				asker, err := pgx.ConnectConfig(t.Context(), b.config())
				if err != nil {
					t.Fatal(err)
				}
				defer asker.Close(context.Background())
				mu.Lock()
				conn = asker
				mu.Unlock()
				b.start(strategy).wantExit(0)
				mu.Lock()
				defer mu.Unlock()
				if asked != invoices || missing != 0 {
					t.Errorf("%d requests, %d of them without a committed intent", asked, missing)
				}
			})
		}
	})
}

// gate holds requests back until it is opened, and tells when enough are there.
type gate struct {
	ctx     context.Context // the test's: a failed one must not hang
	want    int64
	came    atomic.Int64
	full    chan struct{}
	release chan struct{}
}

func newGate(t *testing.T, want int64) *gate {
	return &gate{ctx: t.Context(), want: want, full: make(chan struct{}), release: make(chan struct{})}
}

func (g *gate) pass(billingfake.Received) {
	if g.came.Add(1) == g.want {
		close(g.full)
	}
	select {
	case <-g.release:
	case <-g.ctx.Done():
	}
}

func (g *gate) await(t *testing.T) {
	t.Helper()
	select {
	case <-g.full:
	case <-time.After(time.Minute):
		t.Fatalf("%d of %d requests came within a minute", g.came.Load(), g.want)
	}
}

// P4: a runner is killed with requests in flight; a survivor of the same run
// finishes them, with no timer to wait for.
func TestP4ImmediateRecovery(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		const invoices = 200
		g := newGate(t, 8)
		b := newBook(t, invoices, billingfake.Config{Idempotent: true, Before: g.pass})
		// No deadline of a request passes before the survivor has lingered to its end.
		settings := []string{"RUN_LOCK=shared", strategy, "CONCURRENCY=8", "BILLING_TIMEOUT=10m", "LINGER=20s"}
		first := b.start(append(settings, "JOB_COMPLETION_INDEX=0")...)
		g.await(t)
		survivor := b.start(settings...)
		first.kill()
		began := time.Now()
		close(g.release)
		survivor.wantExit(0)
		t.Logf("all sent %s after the kill", time.Since(began).Round(time.Millisecond))
		wantOneEffectEach(t, b, invoices)
		b.wantStates(fmt.Sprintf("sent/false=%d", invoices))
		if !strings.Contains(survivor.output(), "recovered") {
			t.Error("the survivor recovered nothing")
		}
	})
}

// P4 where the API has no keys: what was in flight is in doubt once its own
// deadline has passed, what was not is sent; nothing is sent twice.
func TestP4WithoutKeysDoubtIsSmall(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		const invoices, concurrency = 200, 8
		g := newGate(t, concurrency)
		b := newBook(t, invoices, billingfake.Config{Before: g.pass})
		first := b.start("RUN_LOCK=shared", "JOB_COMPLETION_INDEX=0", strategy, fmt.Sprintf("CONCURRENCY=%d", concurrency), "BILLING_TIMEOUT=2s")
		g.await(t)
		first.kill()
		close(g.release)
		survivor := b.start("RUN_LOCK=shared", strategy)
		survivor.wantExit(3)
		b.wantStates(fmt.Sprintf("in_doubt/true=%d sent/false=%d", concurrency, invoices-concurrency))
		for n := 1; n <= invoices; n++ {
			if r := b.api.Invoice(fmt.Sprint(n)); r.Requests != 1 {
				t.Errorf("invoice %d: %d requests, want 1", n, r.Requests)
			}
		}
		// What is in doubt stays so: the next run leaves it alone, and says so.
		b.start(strategy).wantExit(3)
	})
}

// P5: a runner that has lost its run lock to another starts no new request,
// settles what is in flight, and says so in its exit code.
func TestP5KnownLoss(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		const invoices, concurrency = 500, 8
		g := newGate(t, concurrency)
		b := newBook(t, invoices, billingfake.Config{Before: g.pass})
		p := b.start(strategy, fmt.Sprintf("CONCURRENCY=%d", concurrency))
		g.await(t)
		successor := queueForRunLock(t, b)
		if n := terminateBackends(b, locker); n != 1 {
			t.Fatalf("%d holders of the run lock", n)
		}
		awaitOutput(t, p, "stopping", "lock")
		close(g.release)
		p.wantExit(4)
		successor()
		if last := lastLine(p.output()); !strings.Contains(last, "stopped early (lock lost), the next run goes on: 8 sent") {
			t.Errorf("the last line is not the summary: %s", last)
		}
		if got := b.api.Counts().Requests; got != concurrency {
			t.Errorf("%d requests; no new one may start after the loss of the %d in flight", got, concurrency)
		}
		if n := query[int](b, "select count(*) from billonce.deliveries where state = 'sent'"); n != concurrency {
			t.Errorf("%d deliveries settled, want %d", n, concurrency)
		}
		b.start(strategy).wantExit(0)
		wantOneEffectEach(t, b, invoices)
	})
}

// awaitOutput returns when the process has said all words in one line.
func awaitOutput(t *testing.T, p *proc, words ...string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		for line := range strings.Lines(p.output()) {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return
			}
		}
		select {
		case <-tick.C:
		case <-p.done:
			t.Fatalf("the process ended without saying %q", words)
		case <-deadline.C:
			t.Fatalf("the process did not say %q within a minute", words)
		}
	}
}

// P7: connections don't grow with the requests in flight.
func TestP7SixConnectionsAtMost(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		const invoices, concurrency = 600, 256
		var b *book
		var conn *pgx.Conn
		var mu sync.Mutex
		most := 0
		count := func() {
			mu.Lock()
			defer mu.Unlock()
			var n int
			if err := conn.QueryRow(context.Background(), `select count(*) from pg_stat_activity
				where datname = current_database() and application_name like 'billonce/%'`).Scan(&n); err == nil {
				most = max(most, n)
			}
		}
		g := newGate(t, concurrency)
		b = newBook(t, invoices, billingfake.Config{Idempotent: true, Before: g.pass})
		conn, err := pgx.ConnectConfig(t.Context(), b.config())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		p := b.start(strategy, fmt.Sprintf("CONCURRENCY=%d", concurrency))
		g.await(t)
		count()
		close(g.release)
		p.wantExit(0)
		if most == 0 || most > 6 {
			t.Errorf("%d connections with %d requests in flight, want 1 to 6", most, concurrency)
		}
		wantOneEffectEach(t, b, invoices)
	})
}

func TestSigtermDrains(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		const invoices, concurrency = 500, 8
		g := newGate(t, concurrency)
		b := newBook(t, invoices, billingfake.Config{Before: g.pass})
		p := b.start(strategy, fmt.Sprintf("CONCURRENCY=%d", concurrency))
		g.await(t)
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		awaitOutput(t, p, "stopping", "signal")
		close(g.release)
		p.wantExit(4)
		if c := b.api.Counts(); c.Requests != concurrency {
			t.Errorf("%d requests, want the %d that were in flight", c.Requests, concurrency)
		}
		var last struct {
			Summary struct {
				Sent    int
				Stopped string
			}
			ExitCode int `json:"exit_code"`
		}
		if err := json.Unmarshal([]byte(lastLine(p.output())), &last); err != nil {
			t.Fatal(err)
		}
		if last.Summary.Sent != concurrency || last.Summary.Stopped != "signal" || last.ExitCode != 4 {
			t.Errorf("the last line says %+v", last)
		}
		b.start(strategy).wantExit(0)
		wantOneEffectEach(t, b, invoices)
		b.wantStates(fmt.Sprintf("sent/false=%d", invoices))
	})
}

// A second exclusive run is no error: it ends at once and names the holder.
func TestSecondExclusiveRunEndsAtOnce(t *testing.T) {
	t.Parallel()
	g := newGate(t, 1)
	b := newBook(t, 10, billingfake.Config{Before: g.pass})
	first := b.start()
	g.await(t)
	second := b.start()
	second.wantExit(0)
	if out := second.output(); !strings.Contains(out, "is held by billonce/") || !strings.Contains(out, "since") {
		t.Errorf("the second run does not name the holder: %s", out)
	}
	waiting := b.start("RUN_LOCK_WAIT=1m")
	close(g.release)
	first.wantExit(0)
	waiting.wantExit(0)
	wantOneEffectEach(t, b, 10)
}
