package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/billonce/billonce/internal/billing/billingfake"
	books "github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// asBatch makes the test binary be batch: real processes of the code under
// test, race detector included.
const asBatch = "BILLONCE_TEST_AS_BATCH"

func TestMain(m *testing.M) {
	if os.Getenv(asBatch) != "" {
		main()
	}
	testscript.Main(tests{m}, map[string]func(){"batch": main})
}

type tests struct{ m *testing.M }

func (t tests) Run() int {
	return pgtest.Main(t.m)
}

// book is a database with demo invoices and a billing API: what a run needs.
type book struct {
	t   testing.TB
	url string
	api *billingfake.API
	env map[string]string
}

func newBook(t testing.TB, invoices int, c billingfake.Config) *book {
	t.Helper()
	return newBookIn(t, pgtest.DB(t, "demo", makeBook), invoices, c)
}

// newBookAt is newBook in a database of a server of the test's own.
func newBookAt(t testing.TB, url string, invoices int, c billingfake.Config) *book {
	t.Helper()
	if err := makeBook(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return newBookIn(t, url, invoices, c)
}

func newBookIn(t testing.TB, url string, invoices int, c billingfake.Config) *book {
	t.Helper()
	b := &book{t: t, url: url}
	b.api = billingfake.New(c)
	server := httptest.NewServer(b.api)
	t.Cleanup(server.Close)
	t.Cleanup(b.api.Close)
	b.env = map[string]string{
		"DATABASE_URL": url, "BILLING_URL": server.URL + "/v1/invoices/{id}/send", "LOG_FORMAT": "json", "RUN_CANARY": "0",
		"BILLING_IDEMPOTENT": fmt.Sprint(c.Idempotent),
	}
	if err := pgstore.Seed(t.Context(), b.config(), invoices); err != nil {
		t.Fatal(err)
	}
	return b
}

// makeBook makes the demo's table and its ledger.
func makeBook(ctx context.Context, url string) error {
	cfg, err := pgstore.ParseURL(url, "test")
	if err != nil {
		return err
	}
	if err := pgstore.Seed(ctx, cfg, 0); err != nil {
		return err
	}
	_, err = pgstore.Migrate(ctx, cfg, books.Demo())
	return err
}

func (b *book) config() *pgx.ConnConfig {
	b.t.Helper()
	cfg, err := pgstore.ParseURL(b.url, "test")
	if err != nil {
		b.t.Fatal(err)
	}
	return cfg
}

// query asks the database for one value.
func query[T any](b *book, statement string, args ...any) (v T) {
	b.t.Helper()
	conn, err := pgx.ConnectConfig(b.t.Context(), b.config())
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(b.t.Context()))
	if err := conn.QueryRow(b.t.Context(), statement, args...).Scan(&v); err != nil {
		b.t.Fatalf("%s: %v", statement, err)
	}
	return v
}

// execute runs statements that answer nothing.
func (b *book) execute(statements string) {
	b.t.Helper()
	conn, err := pgx.ConnectConfig(context.WithoutCancel(b.t.Context()), b.config())
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(b.t.Context()))
	if err := conn.PgConn().Exec(context.WithoutCancel(b.t.Context()), statements).Close(); err != nil {
		b.t.Fatalf("%s: %v", statements, err)
	}
}

// states is the ledger and the invoices at a glance: "sent/false=10 …".
func (b *book) states() string {
	b.t.Helper()
	return query[string](b, `select coalesce(string_agg(s || '=' || n, ' ' order by s), '') from (
		select coalesce(d.state, 'none') || '/' || i.pending as s, count(*) as n
		from public.invoices i left join billonce.deliveries d on d.invoice_id = i.id group by 1) x`)
}

func (b *book) wantStates(want string) {
	b.t.Helper()
	if got := b.states(); got != want {
		b.t.Errorf("delivery state/pending: %s, want %s", got, want)
	}
}

// proc is a running batch.
type proc struct {
	t    testing.TB
	cmd  *exec.Cmd
	out  bytes.Buffer
	mu   sync.Mutex
	done chan struct{}
}

// Write implements io.Writer for the process's output.
func (p *proc) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *proc) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start starts `batch run` as a process; env comes as NAME=value.
func (b *book) start(env ...string) *proc {
	b.t.Helper()
	return b.startBy(nil, env...)
}

// startBy starts it by another program, which is given its path and arguments.
func (b *book) startBy(program []string, env ...string) *proc {
	b.t.Helper()
	args := append(slices.Clone(program), os.Args[0], "run")
	all := maps.Clone(b.env)
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		all[name] = value
	}
	p := &proc{t: b.t, cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asBatch+"=1")
	for name, value := range all {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	b.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if b.t.Failed() {
			b.t.Logf("process %d:\n%s", p.cmd.Process.Pid, p.output())
		}
	})
	return p
}

// exit waits for the process and returns its exit code; -1: killed.
func (p *proc) exit() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

func (p *proc) wantExit(want int) {
	p.t.Helper()
	if got := p.exit(); got != want {
		p.t.Errorf("exit code %d, want %d; its last words:\n%s", got, want, lastLine(p.output()))
	}
}

func (p *proc) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	<-p.done
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// strategies runs a test for both lock strategies side by side.
func strategies(t *testing.T, f func(t *testing.T, strategy string)) {
	t.Parallel()
	for _, s := range []string{"advisory", "row"} {
		t.Run(s, func(t *testing.T) {
			t.Parallel()
			f(t, "LOCK_STRATEGY="+s)
		})
	}
}

// roleURL is the database's URL for another role.
func roleURL(t testing.TB, database, role, password string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, password)
	return u.String()
}
