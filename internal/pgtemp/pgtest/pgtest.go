// Package pgtest gives tests a database each, on one real PostgreSQL server a
// test binary.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/billonce/billonce/internal/pgtemp"
)

// shared is the test binary's server. It is the one global of the project:
// TestMain can't pass a value to tests.
var shared struct { //nolint:gochecknoglobals // see above
	mu        sync.Mutex
	server    *pgtemp.Server
	templates map[string]bool
	databases int
}

// Main runs the tests, ends the server that they started, and fails if they leave a
// goroutine behind. Call it from TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			code = max(code, 1)
		}
	}
	if code == 0 { // a test that failed may well leave some
		// A proxy whose connection was swallowed keeps this one for good.
		proxies := goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*NoopToxic).Pipe")
		if err := goleak.Find(proxies); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// DB makes a database for the test alone and returns its URL: a copy of the
// template that prepare has filled, once a test binary. It is dropped as the
// test ends, unless that failed.
func DB(t testing.TB, template string, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	ctx := t.Context()
	name, url, err := newDB(ctx, template, prepare)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the test's database was %s", name)
			return
		}
		if err := admin(context.WithoutCancel(ctx), "drop database "+name+" with (force)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return url
}

// ExampleDB makes an empty database for an Example, which has no testing.TB, and
// returns its URL. It goes with the server.
func ExampleDB(ctx context.Context) (string, error) {
	_, url, err := newDB(ctx, "empty", nil)
	return url, err
}

func newDB(ctx context.Context, template string, prepare func(ctx context.Context, url string) error) (name, url string, err error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if err := ensureTemplate(ctx, template, prepare); err != nil {
		return "", "", fmt.Errorf("prepare the template database %s: %w", template, err)
	}
	shared.databases++
	name = fmt.Sprintf("test_%d", shared.databases)
	if err := admin(ctx, fmt.Sprintf("create database %s template %s", name, quote(template))); err != nil {
		return "", "", fmt.Errorf("make a database: %w", err)
	}
	return name, shared.server.URL(name), nil
}

// Server starts a server of the test's own, for tests that break it.
func Server(t testing.TB, settings map[string]string) *pgtemp.Server {
	t.Helper()
	s, err := pgtemp.Start(t.Context(), options(settings))
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return s
}

// Beside finds a program of the server's own version. Without it the test is skipped.
func Beside(t testing.TB, server *pgtemp.Server, program string) string {
	t.Helper()
	path := filepath.Join(server.Bin(), program)
	if !isFile(path) {
		t.Skipf("there is no %s beside this PostgreSQL", program)
	}
	return path
}

// Standby starts a server that follows primary, asynchronously.
func Standby(t testing.TB, primary *pgtemp.Server) *pgtemp.Server {
	t.Helper()
	Beside(t, primary, "pg_basebackup")
	o := options(nil)
	o.StandbyOf, o.Bin = primary, primary.Bin()
	s, err := pgtemp.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("start a standby: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("stop the standby: %v", err)
		}
	})
	return s
}

func options(settings map[string]string) pgtemp.Options {
	all := map[string]string{"max_connections": "600", "shared_buffers": "64MB"}
	for name, value := range settings {
		all[name] = value
	}
	return pgtemp.Options{Temporary: true, FastUnsafe: true, Settings: all}
}

func ensureTemplate(ctx context.Context, template string, prepare func(ctx context.Context, url string) error) error {
	if shared.server == nil {
		// The server outlives the test that happens to be the first.
		s, err := pgtemp.Start(context.WithoutCancel(ctx), options(nil))
		if err != nil {
			return err
		}
		shared.server, shared.templates = s, map[string]bool{}
	}
	if shared.templates[template] {
		return nil
	}
	if err := admin(ctx, "create database "+quote(template)); err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(ctx, shared.server.URL(template)); err != nil {
			return err
		}
	}
	shared.templates[template] = true
	return nil
}

// admin runs a statement outside of the tests' databases.
func admin(ctx context.Context, statement string) (err error) {
	conn, err := pgx.Connect(ctx, shared.server.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
