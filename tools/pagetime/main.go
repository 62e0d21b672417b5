// Command pagetime measures `batch serve` on a long ledger: how long each page and the preview
// of decisions take, with many invoices open and a run under way, and what readers cost that
// watch live.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.batch, "batch", "bin/batch", "the program")
	flag.IntVar(&o.deliveries, "deliveries", 1_000_000, "of the ledger")
	flag.IntVar(&o.open, "open", 100_000, "of those, in doubt or failed")
	flag.IntVar(&o.readers, "readers", 100, "that watch live")
	flag.DurationVar(&o.watch, "watch", 20*time.Second, "how long they watch")
	flag.Parse()
	if err := measure(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pagetime:", err)
		os.Exit(1)
	}
}

type options struct {
	batch                     string
	deliveries, open, readers int
	watch                     time.Duration
}

func measure(ctx context.Context, o options, out io.Writer) (err error) {
	server, err := pgtemp.Start(ctx, pgtemp.Options{Temporary: true})
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	conn, err := pgx.Connect(ctx, server.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	fmt.Fprintf(out, "making %d deliveries, %d of them open…\n", o.deliveries, o.open)
	if err := fill(ctx, server.URL("postgres"), conn, o); err != nil {
		return err
	}
	run, err := startRun(ctx, server.URL("postgres"), conn, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run()) }()
	p, err := start(ctx, o.batch, server.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	for _, path := range []string{"", "decide", "open?kind=in_doubt", "open?kind=failed", "invoice?id=1", "invoice?id=" + strconv.Itoa(o.deliveries), "reconciled"} {
		if _, err := p.time(ctx, out, path, nil); err != nil {
			return err
		}
	}
	if err := p.preview(ctx, out); err != nil {
		return err
	}
	if err := underWay(ctx, conn); err != nil {
		return err
	}
	return p.watched(ctx, out, conn, o)
}

// fill makes the ledger: what is open is pending, the rest was sent on thirty nights.
func fill(ctx context.Context, url string, conn *pgx.Conn, o options) error {
	cfg, err := pgstore.ParseURL(url, "pagetime")
	if err != nil {
		return err
	}
	if err := pgstore.Seed(ctx, cfg, 0); err != nil {
		return err
	}
	if _, err := pgstore.Migrate(ctx, cfg, book.Demo()); err != nil {
		return err
	}
	for _, statement := range []string{
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
		"vacuum analyze",
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("make the ledger: %w", err)
		}
	}
	return nil
}

// page is a `batch serve`.
type page struct {
	command *exec.Cmd
	url     string
}

func start(ctx context.Context, batch, database string) (*page, error) {
	c := exec.CommandContext(ctx, batch, "serve")
	c.Env = []string{
		"DATABASE_URL=" + database, "SERVE_ADDR=127.0.0.1:0",
		"SERVE_PROXY_HEADER=" + userHeader, "SERVE_TRUSTED_PROXIES=127.0.0.1", "SERVE_DECIDERS=" + user,
	}
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start the page: %w", err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	url := regexp.MustCompile(`http://\S+`).FindString(said)
	if err != nil || url == "" {
		return nil, errors.Join(fmt.Errorf("the page said %q", said), err, c.Wait())
	}
	return &page{c, url}, nil
}

func (p *page) stop() error {
	return errors.Join(p.command.Process.Signal(syscall.SIGTERM), p.command.Wait())
}

const (
	times      = 7
	user       = "ann"
	userHeader = "X-User"
)

// time asks for a page, or posts a form, and returns the page.
func (p *page) time(ctx context.Context, out io.Writer, path string, form url.Values) (text []byte, err error) {
	var took []time.Duration
	for range times {
		begun := time.Now()
		reply, err := p.ask(ctx, path, form)
		if err != nil {
			return nil, err
		}
		text, err = io.ReadAll(reply.Body)
		if err = errors.Join(err, reply.Body.Close()); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	fmt.Fprintf(out, "/%-20s %6.1f ms, at most %.1f ms\n", path, ms(took[times/2]), ms(took[times-1]))
	return text, nil
}

// preview previews a decision about all invoices of a page.
func (p *page) preview(ctx context.Context, out io.Writer) error {
	list, err := p.time(ctx, out, "open?kind=in_doubt", nil)
	if err != nil {
		return err
	}
	form := url.Values{"decision": {"retry"}, "reason": {"not in their books"}}
	for _, found := range regexp.MustCompile(`name="pick" value="([^"]*)"`).FindAllSubmatch(list, -1) {
		form.Add("pick", html.UnescapeString(string(found[1])))
	}
	fmt.Fprintf(out, "a decision about %d invoices:\n", len(form["pick"]))
	_, err = p.time(ctx, out, "preview", form)
	return err
}

// startRun starts a run that goes on for as long as anybody measures: it sends ten a second
// of a thousand.
func startRun(ctx context.Context, database string, conn *pgx.Conn, o options) (stop func() error, err error) {
	c := exec.CommandContext(ctx, o.batch, "fake-api", "--latency", "100ms", "--", o.batch, "run")
	c.Env = []string{"DATABASE_URL=" + database, "BILLING_RATE=10", "RUN_CANARY=0", "LOG_LEVEL=error"}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start the run: %w", err)
	}
	stop = func() error {
		err := c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait() // it was stopped early
		return err
	}
	for {
		var sent bool
		err := conn.QueryRow(ctx, "select exists (select from invoices where id > $1 and not pending)", o.deliveries).Scan(&sent)
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		if sent {
			return stop, nil
		}
	}
}

// underWay wants the run to have gone on all the while.
func underWay(ctx context.Context, conn *pgx.Conn) error {
	var going bool
	err := conn.QueryRow(ctx, "select exists (select from billonce.runs where finished_at is null)").Scan(&going)
	if err == nil && !going {
		err = errors.New("the run has ended before the pages were measured")
	}
	return err
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ask asks for a page; with a form it posts it.
func (p *page) ask(ctx context.Context, path string, form url.Values) (*http.Response, error) {
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set(userHeader, user)
	reply, err := http.DefaultClient.Do(r)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("/%s: %s", path, reply.Status), reply.Body.Close())
	}
	return reply, err
}

// watched has readers watch, and says what they cost.
func (p *page) watched(ctx context.Context, out io.Writer, conn *pgx.Conn, o options) error {
	watching, leave := context.WithTimeout(ctx, o.watch)
	defer leave()
	before, err := sessions(ctx, conn)
	if err != nil {
		return err
	}
	var all errgroup.Group
	for range o.readers {
		all.Go(func() error { return p.follow(watching) })
	}
	if err := all.Wait(); err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	after, err := sessions(ctx, conn)
	if err != nil {
		return err
	}
	memory, err := p.memory()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d readers that watch: the status is read %.1f times a second; the page needs %s at most\n",
		o.readers, float64(after-before)/o.watch.Seconds(), memory)
	return nil
}

// follow watches until ctx ends.
func (p *page) follow(ctx context.Context) error {
	reply, err := p.ask(ctx, "live", nil)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if _, err = io.Copy(io.Discard, reply.Body); ctx.Err() != nil {
		return nil
	}
	return err
}

// sessions is how many connections were made: one for each reading of the status.
func sessions(ctx context.Context, conn *pgx.Conn) (n int64, err error) {
	err = conn.QueryRow(ctx, "select sessions from pg_stat_database where datname = current_database()").Scan(&n)
	return n, err
}

// memory is the most that the process had resident (proc(5), VmHWM).
func (p *page) memory() (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(line), " kB"))
	return fmt.Sprintf("%d MiB", kib>>10), err
}
