package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// A run that can't make all of its connections is refused before its first request,
// with the limit that is in the way. With just as many as it needs it works.
func TestP6TooFewConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, limit, says string }{
		{"role", "alter role %[1]s connection limit %[2]d", "the role's limit"},
		{"database", "alter database %[1]s connection limit %[2]d", "the database's limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBook(t, 20, billingfake.Config{})
			name := query[string](b, "select current_database()") // and the role's
			b.execute("create role " + name + " login password 'x'")
			t.Cleanup(func() { b.execute("drop owned by " + name + "; drop role " + name) })
			b.batch(0, "migrate", "--role", name)
			url := "DATABASE_URL=" + roleURL(t, b.url, name, "x")
			for n := 1; n < pgstore.Connections; n++ {
				b.execute(fmt.Sprintf(c.limit, name, n))
				b.wantTooFew(c.says, url)
			}
			b.execute(fmt.Sprintf(c.limit, name, pgstore.Connections))
			b.start(url).wantExit(0)
			wantOneEffectEach(t, b, 20)
		})
	}
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		server := pgtest.Server(t, map[string]string{"max_connections": "12", "superuser_reserved_connections": "0", "max_wal_senders": "0"})
		b := newBookAt(t, server.URL("postgres"), 20, billingfake.Config{})
		for range 12 - pgstore.Connections + 1 {
			conn, err := pgx.ConnectConfig(t.Context(), b.config())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
		}
		b.wantTooFew("max_connections")
	})
	t.Run("pooler", func(t *testing.T) {
		t.Parallel()
		b := newBook(t, 20, billingfake.Config{})
		pooled := []string{"LOCK_DATABASE_URL=" + b.url, "DATABASE_URL=" + pgtest.PgBouncer(t, b.url, "transaction", "default_pool_size = 4")}
		b.wantTooFew("default_pool_size", pooled...)
		pooled[1] = "DATABASE_URL=" + pgtest.PgBouncer(t, b.url, "transaction", "default_pool_size = 5")
		b.start(pooled...).wantExit(0)
		wantOneEffectEach(t, b, 20)
		pooled[1] = "DATABASE_URL=" + pgtest.PgBouncer(t, b.url, "transaction", "max_client_conn = 4")
		b.wantTooFew("max_client_conn", pooled...)
	})
}

func (b *book) wantTooFew(says string, env ...string) {
	b.t.Helper()
	before := b.api.Counts().Requests
	p := b.start(env...)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second): // it would wait for a connection that it never gets
		b.t.Fatal("the run is not refused: it goes on, and does not end")
	}
	p.wantExit(billing.ExitRefused)
	if out := p.output(); !strings.Contains(out, says) || !strings.Contains(out, "nothing was touched") {
		b.t.Errorf("it does not name %q:\n%s", says, out)
	}
	if n := b.api.Counts().Requests - before; n != 0 {
		b.t.Errorf("%d requests were made", n)
	}
}

// batch runs a command within the test.
func (b *book) batch(want int, args ...string) {
	b.t.Helper()
	var out bytes.Buffer
	if code := run(b.t.Context(), args, []string{"DATABASE_URL=" + b.url}, &out, &out); code != want {
		b.t.Fatalf("batch %s: exit %d, want %d:\n%s", strings.Join(args, " "), code, want, &out)
	}
}
