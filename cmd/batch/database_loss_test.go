package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// What becomes of a run that loses the database, or one of its connections, while
// requests are in flight. The API has no keys: nothing here may be asked twice.

const (
	lossInvoices    = 300
	lossConcurrency = 8
)

// wantAllSentByOneRun: the run went on by itself, and has forgotten nothing.
func wantAllSentByOneRun(t *testing.T, b *book, p *proc) {
	t.Helper()
	p.wantExit(0)
	wantOneEffectEach(t, b, lossInvoices)
	if n := b.api.Counts().Requests; n != lossInvoices {
		t.Errorf("%d requests for %d invoices", n, lossInvoices)
	}
	b.wantStates(fmt.Sprintf("sent/false=%d", lossInvoices))
	if n := query[int](b, "select count(*) from billonce.runs"); n != 1 {
		t.Errorf("%d runs, want one that went on", n)
	}
}

func TestDatabaseRestartIsOutlived(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		for name, immediate := range map[string]bool{"fast": false, "immediate": true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := newGate(t, lossConcurrency)
				server := pgtest.Server(t, nil)
				b := newBookAt(t, server.URL("postgres"), lossInvoices, billingfake.Config{Before: g.pass})
				p := b.start(strategy, fmt.Sprintf("CONCURRENCY=%d", lossConcurrency))
				g.await(t)
				if err := server.Restart(t.Context(), immediate); err != nil {
					t.Fatal(err)
				}
				awaitOutput(t, p, "the run lock is held again")
				close(g.release)
				wantAllSentByOneRun(t, b, p)
			})
		}
	})
}

// backends of a runner, by what they do. A claim alone stays in a transaction; of
// the other two, the scans' and intents' one is there first.
const (
	claims = "a.state = 'idle in transaction'"
	writer = `a.state = 'idle' and not exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory' and l.objsubid = 2)`
	locker = `exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory' and l.objsubid = 2)`
)

func terminateBackends(b *book, which string) int {
	b.t.Helper()
	return query[int](b, `select count(pg_terminate_backend(a.pid)) from pg_stat_activity a
		where a.datname = current_database() and a.application_name like 'billonce/%' and `+which)
}

func TestTerminatedBackendIsOutlived(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		for name, which := range map[string]string{"claims": claims, "writer": writer, "run lock": locker} {
			for _, runLock := range []string{"exclusive", "shared"} {
				t.Run(name+" "+runLock, func(t *testing.T) {
					t.Parallel()
					g := newGate(t, lossConcurrency)
					b := newBook(t, lossInvoices, billingfake.Config{Before: g.pass})
					p := b.start(strategy, "RUN_LOCK="+runLock, "JOB_COMPLETION_INDEX=0", fmt.Sprintf("CONCURRENCY=%d", lossConcurrency))
					g.await(t)
					if n := terminateBackends(b, which); n == 0 {
						t.Fatal("no such backend")
					}
					if which == locker {
						awaitOutput(t, p, "the run lock is held again")
					}
					close(g.release)
					wantAllSentByOneRun(t, b, p)
				})
			}
		}
	})
}

// While the network is silent no connection breaks: only the heartbeat tells.
func TestSilentNetworkIsOutlived(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		g := newGate(t, lossConcurrency)
		b := newBook(t, lossInvoices, billingfake.Config{Before: g.pass})
		proxy := newProxy(t, b.url)
		p := b.start(strategy, fmt.Sprintf("CONCURRENCY=%d", lossConcurrency), "DATABASE_URL="+proxied(t, b.url, proxy))
		g.await(t)
		for _, direction := range []string{"upstream", "downstream"} {
			silence := fmt.Sprintf(`{"name": %[1]q, "type": "timeout", "stream": %[1]q, "attributes": {"timeout": 0}}`, direction)
			if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(silence)); err != nil {
				t.Fatal(err)
			}
		}
		awaitOutput(t, p, "the run lock is lost")
		close(g.release)
		// The server holds the lock of the lost connection all the time.
		if n := runLocks(b, "granted"); n != 1 {
			t.Errorf("%d holders of the run lock in a silent network, want 1", n)
		}
		proxy.Toxics.ResetToxics(context.Background())
		wantAllSentByOneRun(t, b, p)
	})
}

func newProxy(t *testing.T, database string) *toxiproxy.Proxy {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", u.Host)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}

func proxied(t *testing.T, database string, proxy *toxiproxy.Proxy) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = proxy.Listen
	return u.String()
}

// P5: the run lock is had by another run between its loss and its being taken
// again. The run can see it only in the ledger: the other one is over by then.
func TestP5RunLockHadByAnotherRunMeanwhile(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		for _, c := range []struct {
			ours, theirs string
			goesOn       bool
		}{
			{"exclusive", "exclusive", false},
			{"exclusive", "shared", false},
			{"shared", "exclusive", false},
			{"shared", "shared", true},
			{"exclusive", "off", true}, // it has no run lock, and takes none away
		} {
			t.Run(c.ours+" then "+c.theirs, func(t *testing.T) {
				t.Parallel()
				g := newGate(t, lossConcurrency)
				b := newBook(t, lossInvoices, billingfake.Config{Before: g.pass})
				// From the first invoice on: a shared run that begins near the last ones may
				// have fewer in flight than it could.
				p := b.start(strategy, "RUN_LOCK="+c.ours, "JOB_COMPLETION_INDEX=0", fmt.Sprintf("CONCURRENCY=%d", lossConcurrency))
				g.await(t)
				if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				if terminateBackends(b, locker) != 1 {
					t.Fatal("not one run lock")
				}
				query[string](b, `insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version)
					values (gen_random_uuid(), 'invoices', 'advisory', $1, 'another', 'test') returning run_id::text`, c.theirs)
				if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				if c.goesOn {
					awaitOutput(t, p, "the run lock is held again")
					close(g.release)
					p.wantExit(0)
					wantOneEffectEach(t, b, lossInvoices)
					return
				}
				awaitOutput(t, p, "stopping")
				close(g.release)
				p.wantExit(4)
				if !strings.Contains(p.output(), "another run has had it since: another") {
					t.Error("the run does not say who has had its lock")
				}
				if n := b.api.Counts().Requests; n != lossConcurrency {
					t.Errorf("%d requests, want the %d that were in flight", n, lossConcurrency)
				}
			})
		}
	})
}

// queueForRunLock waits in the server's queue for the run lock, and so has it in
// the very moment in which its holder loses it. It returns once it stands there;
// what it returns lets the lock go.
func queueForRunLock(t *testing.T, b *book) (release func()) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), b.config())
	if err != nil {
		t.Fatal(err)
	}
	key := advisory.NewRunKey("invoices")
	got := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "select pg_advisory_lock($1, $2)", key.Class, key.Object)
		got <- err
	}()
	await(t, "a place in the queue", func() bool {
		return runLocks(b, "not granted") == 1
	})
	return func() {
		if err := <-got; err != nil {
			t.Error(err)
		}
		_ = conn.Close(context.Background())
	}
}

func runLocks(b *book, which string) int {
	b.t.Helper()
	return query[int](b, `select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2
		and database = (select oid from pg_database where datname = current_database()) and `+which)
}

// await asks until the answer is yes.
func await(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("waited a minute in vain for %s", what)
		}
	}
}
