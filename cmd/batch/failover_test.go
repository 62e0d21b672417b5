package main

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// address leads to one server, and after a fail-over to another one.
type address struct {
	net.Listener
	to atomic.Pointer[pgtemp.Server]
}

func newAddress(t *testing.T, to *pgtemp.Server) *address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &address{Listener: l}
	a.to.Store(to)
	var lines sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); lines.Wait() })
	lines.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			lines.Go(func() { a.join(conn) })
		}
	})
	return a
}

func (a *address) join(conn net.Conn) {
	defer conn.Close()
	there, err := net.Dial("tcp", hostOf(a.to.Load()))
	if err != nil {
		return
	}
	defer there.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(conn, there)
		_ = conn.Close()
	})
	_, _ = io.Copy(there, conn)
	_ = there.Close()
	back.Wait()
}

// until returns once the API has had so many requests.
func (b *book) until(requests int) {
	b.t.Helper()
	for again := time.NewTicker(10 * time.Millisecond); int(b.api.Counts().Requests) < requests; {
		select {
		case <-again.C:
		case <-b.t.Context().Done():
			b.t.Fatalf("not yet %d requests", requests)
		}
	}
}

// failOver ends the primary, and goes on with its standby.
func (b *book) failOver(primary, standby *pgtemp.Server) {
	b.t.Helper()
	if err := primary.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.url = standby.URL("postgres")
	if !query[bool](b, "select pg_promote()") {
		b.t.Fatal("the standby was not promoted")
	}
}

// P12: what a run sent that died before a fail-over nobody knows: the next one asks a
// person, however often it is started, and says how to go on.
func TestP12ARunThatDiedBeforeAFailover(t *testing.T) {
	t.Parallel()
	primary := pgtest.Server(t, nil)
	b := newBookAt(t, primary.URL("postgres"), 200, billingfake.Config{})
	standby := pgtest.Standby(t, primary)
	dies := b.start("CONCURRENCY=2", "BILLING_RATE=50")
	b.until(20)
	stopFollowing(t, b, standby)
	b.until(60)
	dies.kill()
	b.failOver(primary, standby)
	b.env["DATABASE_URL"] = b.url
	sent := b.api.Counts().Requests
	for range 2 {
		p := b.start("LINGER=1s")
		p.wantExit(billing.ExitRefused)
		for _, says := range []string{
			"awaits_living_runs", "it was failed over since it was used last", "The newest request that it knows was sent at", "Pending: ", "invoices of ",
			"batch reconcile FILE --adopt", "batch resume --accept-database", "FAILOVER_LOSES_COMMITS=false", "timeline 00000002", "timeline 00000001",
		} {
			if !strings.Contains(p.output(), says) {
				t.Errorf("it does not say %q:\n%s", says, p.output())
			}
		}
	}
	if n := b.api.Counts().Requests; n != sent {
		t.Errorf("%d requests were sent by runs that were refused", n-sent)
	}
	b.execute("update billonce.deliveries set deadline_at = now() where state = 'sending'")
	b.env["LINGER"] = "1s"
	list := "id\n"
	for _, r := range b.api.Invoices() {
		list += r.Invoice + "\n"
	}
	b.runbook("### After a fail-over", map[string]string{"list.csv": file(t, []byte(list))})
	if sum := b.api.Summary(); len(sum.Duplicates) > 0 {
		t.Errorf("billed twice: %v", sum.Duplicates)
	}
}

// P12: a run that starts in the seconds of a fail-over leaves it to the one that lives
// through it, and takes nothing from it.
func TestP12ARunThatStartsInAFailoverWaits(t *testing.T) {
	t.Parallel()
	const invoices = 200
	primary := pgtest.Server(t, nil)
	b := newBookAt(t, primary.URL("postgres"), invoices, billingfake.Config{})
	standby := pgtest.Standby(t, primary)
	a := newAddress(t, primary)
	b.env["DATABASE_URL"] = strings.Replace(b.url, hostOf(primary), a.Addr().String(), 1)
	lives := b.start("CONCURRENCY=2", "BILLING_RATE=50")
	b.until(20)
	stopFollowing(t, b, standby)
	b.until(60)
	b.failOver(primary, standby)
	a.to.Store(standby)
	b.start().wantExit(billing.ExitDone)
	if code := lives.exit(); code != billing.ExitDone && code != billing.ExitStopped { // the other one may have had the run lock first (P5)
		t.Errorf("the one that lives ends with %d:\n%s", code, lives.output())
	}
	b.wantStates("sent/false=200")
	wantOneEffectEach(t, b, invoices)
	if c := b.api.Counts(); c.Requests != invoices {
		t.Errorf("%d requests", c.Requests)
	}
}

// P12: behind a pooler a connection outlives its server: a run notices the fail-over all
// the same, and writes again what was lost.
func TestP12AFailoverBehindAPooler(t *testing.T) {
	t.Parallel()
	const invoices = 200
	primary := pgtest.Server(t, nil)
	b := newBookAt(t, primary.URL("postgres"), invoices, billingfake.Config{})
	standby := pgtest.Standby(t, primary)
	a := newAddress(t, primary)
	b.env["LOCK_DATABASE_URL"] = strings.Replace(b.url, hostOf(primary), a.Addr().String(), 1)
	b.env["DATABASE_URL"] = pgtest.PgBouncer(t, b.env["LOCK_DATABASE_URL"], "transaction", "server_login_retry = 1")
	lives := b.start("CONCURRENCY=2", "BILLING_RATE=50")
	b.until(20)
	stopFollowing(t, b, standby)
	b.until(60)
	b.failOver(primary, standby)
	a.to.Store(standby)
	lives.wantExit(billing.ExitDone)
	b.wantStates("sent/false=200")
	wantOneEffectEach(t, b, invoices)
	if c := b.api.Counts(); c.Requests != invoices || !strings.Contains(lives.output(), "they are written again") {
		t.Errorf("%d requests\n%s", c.Requests, lives.output())
	}
}
