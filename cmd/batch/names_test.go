package main

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
)

// A living run is known by the name that the server shows, whatever it was given: longer
// than the server keeps, of other letters, or the URL's own.
func TestRunIsKnownByTheNameThatTheServerShows(t *testing.T) {
	t.Parallel()
	for name, application := range map[string]string{
		"long": strings.Repeat("billing-", 20), "letters": "Rechnungen für Köln", "long letters": strings.Repeat("ü", 60), "plain": "nightly",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, 1)
			b := newBook(t, 1, billingfake.Config{Before: g.pass})
			p := b.start("CONCURRENCY=1", "DATABASE_URL="+b.url+"&application_name="+url.QueryEscape(application))
			g.await(t)
			if !query[bool](b, "select exists (select from billonce.runs r join pg_stat_activity a on a.application_name = r.application and a.datname = current_database())") {
				t.Errorf("the run is %q, and nobody of that name is connected", query[string](b, "select application from billonce.runs"))
			}
			close(g.release)
			p.wantExit(0)
		})
	}
}

// An invoice that another application's advisory lock keeps away is named, and whose lock
// it is.
func TestForeignAdvisoryLockIsNamed(t *testing.T) {
	t.Parallel()
	b := newBook(t, 10, billingfake.Config{})
	lock := b.hold("other app", "select pg_advisory_lock(7)")
	p := b.start("LINGER=0s")
	p.wantExit(billing.ExitStopped)
	out := p.output()
	for _, says := range []string{`"application_name":"other app"`, `"invoice_ids":["7"]`, `"user":"postgres"`, "LOCK_NAMESPACE"} {
		if !strings.Contains(out, says) {
			t.Errorf("it does not say %s", says)
		}
	}
	if n := strings.Count(out, "invoices_held"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	lock()
	if p = b.start(); p.exit() != 0 || strings.Contains(p.output(), "invoices_held") {
		t.Error("after the lock is free:", p.output())
	}
	wantOneEffectEach(t, b, 10)
}

// Likewise one whose row another session holds, where runs lock rows.
func TestForeignRowLockIsNamed(t *testing.T) {
	t.Parallel()
	b := newBook(t, 10, billingfake.Config{})
	letGo := b.hold("stock-sync", "begin; update invoices set customer = 'x' where id = 7")
	p := b.start("LINGER=0s", "LOCK_STRATEGY=row")
	p.wantExit(billing.ExitStopped)
	out := p.output()
	for _, says := range []string{`"application_name":"stock-sync"`, `"invoice_ids":["7"]`, "another session holds rows of invoices"} {
		if !strings.Contains(out, says) {
			t.Errorf("it does not say %s:\n%s", says, out)
		}
	}
	letGo()
	b.start("LOCK_STRATEGY=row").wantExit(0)
	wantOneEffectEach(t, b, 10)
}

// A table that somebody has locked against reading is named with who did: the run ends,
// and the next one goes on.
func TestALockedTableEndsTheRun(t *testing.T) {
	t.Parallel()
	b := newBook(t, 10, billingfake.Config{})
	letGo := b.hold("migrator", "begin; lock table invoices")
	p := b.start()
	p.wantExit(billing.ExitStopped)
	if out := p.output(); !strings.Contains(out, "migrator (user ") {
		t.Errorf("it says:\n%s", out)
	}
	letGo()
	b.start().wantExit(0)
	wantOneEffectEach(t, b, 10)
}

// hold has another application run a statement, and stay connected until it is let go.
func (b *book) hold(application, statement string) (letGo func()) {
	b.t.Helper()
	cfg := b.config()
	cfg.RuntimeParams["application_name"] = application
	conn, err := pgx.ConnectConfig(b.t.Context(), cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := conn.Exec(b.t.Context(), statement); err != nil {
		b.t.Fatal(err)
	}
	letGo = sync.OnceFunc(func() { _ = conn.Close(context.Background()) })
	b.t.Cleanup(letGo)
	return letGo
}
