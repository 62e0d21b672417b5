package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	toxiproxy "github.com/Shopify/toxiproxy/v2"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp"
)

// A round of its own kind: a primary and its asynchronous standby, and one fail-over under
// two runs of an API without faults.
const (
	switchover = "switchover"               // planned: nothing is lost
	back       = "there and back"           // two of them
	killed     = "kill -9"                  // what the standby has not got yet is lost
	lostTail   = "kill -9, a second behind" // its walsender stood still for a second

	allLive = "both live"
	oneDies = "one dies"
	allDie  = "both die"
)

// failoverEvery: one round in so many has a fail-over.
const failoverEvery = 8

// failoverSetting is how a round with a fail-over is set up: all of them in turn.
func failoverSetting(seed uint64) setting {
	s := setting{
		Seed: seed, Failover: []string{lostTail, killed, switchover, back}[seed%4], Idempotent: seed/4%2 == 1,
		Survivors: []string{allLive, allDie, oneDies}[seed/8%3], Strategy: []string{"advisory", "row"}[seed/24%2],
		RunLock: "shared", Runners: 2, Invoices: 2000, Concurrency: 8, Latency: 15 * time.Millisecond,
	}
	if s.Failover == back {
		s.Survivors = allLive
	}
	return s
}

func (s setting) loses() bool { return s.Failover == killed || s.Failover == lostTail }

// pair is two servers behind one address.
type pair struct {
	setting
	testbed
	*network
	standby  *pgtemp.Server
	database string
	api      *billingfake.API
	billing  *billingfake.Server
	logs     string
	all      []*runner
	report   report
}

// failover runs a round with one. Its error says that torture itself is broken.
func (s *testbed) failover(ctx context.Context, seed uint64, progress func(string, ...any)) (rep report, err error) {
	began, c := time.Now(), failoverSetting(seed)
	p := &pair{
		setting: c, testbed: testbed{dir: s.dir, batch: s.batch, toxic: s.toxic}, logs: filepath.Join(s.dir, fmt.Sprintf("failover-%d", seed)),
		report: report{
			setting: c, States: map[billing.State]int{}, Faults: map[string]int{c.Failover: 1}, Exits: map[string]int{},
			Again: fmt.Sprintf("go run ./tools/torture -failovers 1 -seed %d", seed),
		},
	}
	p.report.Logs = p.logs
	if err := os.Mkdir(p.logs, 0o755); err != nil {
		return p.report, err
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	progress("seed %d: a primary and its standby", seed)
	if err := p.begin(ctx); err != nil {
		return p.report, err
	}
	progress("seed %d (%s)", seed, c)
	if err := p.fails(ctx); err != nil {
		return p.report, err
	}
	if err := p.afterwards(ctx); err != nil {
		return p.report, err
	}
	if err := p.check(ctx); err != nil {
		return p.report, err
	}
	p.report.Seconds = time.Since(began).Seconds()
	if len(p.report.Violations) == 0 && !s.keep {
		return p.report, os.RemoveAll(p.logs)
	}
	return p.report, nil
}

func (p *pair) begin(ctx context.Context) (err error) {
	options := pgtemp.Options{Temporary: true, FastUnsafe: true, Settings: map[string]string{"shared_buffers": "64MB"}}
	if p.server, err = pgtemp.Start(context.WithoutCancel(ctx), options); err != nil {
		return err
	}
	if p.database, err = p.newDatabase(ctx, p.Invoices, nil); err != nil {
		return err
	}
	options.StandbyOf = p.server
	if p.standby, err = pgtemp.Start(context.WithoutCancel(ctx), options); err != nil {
		return err
	}
	if p.network, err = p.newNetwork(p.database, 0); err != nil {
		return err
	}
	p.api = billingfake.New(billingfake.Config{Idempotent: p.Idempotent, Latency: p.Latency})
	p.billing, err = billingfake.Listen("127.0.0.1:0", p.api)
	return err
}

// close ends what has begun; a server that was killed says so as it is closed.
func (p *pair) close(ctx context.Context) error {
	for _, r := range p.all {
		r.kill()
	}
	if p.network != nil {
		p.network.close()
	}
	for _, s := range []*pgtemp.Server{p.server, p.standby} {
		if s != nil {
			_ = s.Close()
		}
	}
	if p.billing == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return p.billing.Close(ctx)
}

func (p *pair) environment() []string {
	return []string{
		"DATABASE_URL=" + p.network.url, "BILLING_URL=" + p.billing.URL() + "/v1/invoices/{id}/send", fmt.Sprintf("BILLING_IDEMPOTENT=%t", p.Idempotent),
		"RUN_LOCK=" + p.RunLock, "LOCK_STRATEGY=" + p.Strategy, fmt.Sprintf("CONCURRENCY=%d", p.Concurrency), "BILLING_TIMEOUT=" + billingTimeout.String(),
		"BILLING_RATE=500", "RUN_CANARY=0", "LINGER=5s",
	}
}

func (p *pair) start(name string) (*runner, error) {
	r, err := startRunner(p.batch, p.logs, name, p.environment())
	if err == nil {
		p.all = append(p.all, r)
	}
	return r, err
}

// fails has runs send, and the database fail under them.
func (p *pair) fails(ctx context.Context) error {
	for n := range p.Runners {
		if _, err := p.start(fmt.Sprintf("runner-%d", n)); err != nil {
			return err
		}
	}
	if err := p.requests(ctx, 300+int(p.Seed*37%400)); err != nil {
		return err
	}
	if err := p.failOver(ctx); err != nil {
		return err
	}
	if p.Failover == back {
		if err := p.standby.Follow(ctx, p.server); err != nil {
			return err
		}
		if err := p.requests(ctx, p.api.Requests()+300); err != nil {
			return err
		}
		if err := p.failOver(ctx); err != nil {
			return err
		}
	}
	for _, r := range p.all {
		if err := waitFor(r.ended, 2*settleWithin); err != nil {
			p.violate("%s has not ended after %s", r.name, 2*settleWithin)
			r.kill()
		}
		code, last, raw := r.exit()
		p.report.Exits[code]++
		want := "0"
		switch {
		case r.killed:
			want = "killed"
		case p.Survivors == oneDies && !p.Idempotent:
			want = "5" // it can't know what the other one has sent
		}
		if code != want {
			p.violate("%s ended with %s, not %s: %s", r.name, code, want, raw)
		}
		if last.Summary != nil && want == "0" && last.Summary.Stopped != "" {
			p.violate("%s stopped: %s", r.name, raw)
		}
	}
	return nil
}

func (p *pair) requests(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not yet %d requests", n))
	defer cancel()
	for p.api.Requests() < n {
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// failOver has the standby be the primary.
func (p *pair) failOver(ctx context.Context) error {
	if p.loses() {
		if err := p.killServer(ctx); err != nil {
			return err
		}
	} else if err := p.server.Halt(); err != nil {
		return err
	}
	for n, r := range p.all {
		if p.Survivors == allDie || p.Survivors == oneDies && n == 0 {
			r.kill()
		}
	}
	p.server, p.standby = p.standby, p.server
	if err := p.execute(ctx, "postgres", "select pg_promote()"); err != nil {
		return err
	}
	err := p.ask(ctx, p.database, func(ctx context.Context, conn *pgx.Conn) error {
		var known int
		err := conn.QueryRow(ctx, "select count(*) from billonce.deliveries").Scan(&known)
		p.report.Lost += max(0, p.api.Requests()-known)
		return err
	})
	if err != nil {
		return err
	}
	upstream := strings.TrimPrefix(p.server.URL(""), "postgres://")
	upstream = upstream[strings.LastIndex(upstream, "@")+1 : strings.LastIndex(upstream, "/")]
	return p.proxy.Update(&toxiproxy.Proxy{Listen: p.proxy.Listen, Upstream: upstream, Enabled: true})
}

// killServer kills the primary with all of its processes, as a machine's end does.
func (p *pair) killServer(ctx context.Context) error {
	pids := []int{p.server.PID()}
	err := p.ask(ctx, "postgres", func(ctx context.Context, conn *pgx.Conn) error {
		var sender int
		if err := conn.QueryRow(ctx, "select pid from pg_stat_replication").Scan(&sender); err != nil {
			return err
		}
		if p.Failover == lostTail {
			if err := syscall.Kill(sender, syscall.SIGSTOP); err != nil {
				return err
			}
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		rows, err := conn.Query(ctx, "select pid from pg_stat_activity")
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowTo[int])
		pids = append(pids, all...)
		return err
	})
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	return err
}

// afterwards is what a person sees and does: one more run, which is refused where it must
// be, sends nothing, and goes on once the API's own list is adopted.
func (p *pair) afterwards(ctx context.Context) error {
	refused := !p.Idempotent && p.Survivors != allLive
	code, err := p.oneMore(ctx, "next")
	if err != nil {
		return err
	}
	if refused != (code == "5") {
		p.violate("the next run ended with %s", code)
	}
	if code != "5" {
		return nil
	}
	list := []string{"id"}
	for _, r := range p.api.Invoices() {
		if r.Effects > 0 {
			list = append(list, r.Invoice)
		}
	}
	file := filepath.Join(p.logs, "list.csv")
	if err := os.WriteFile(file, []byte(strings.Join(list, "\n")), 0o600); err != nil {
		return err
	}
	before := p.api.Requests()
	if _, err := p.oneMore(ctx, "again"); err != nil {
		return err
	}
	if n := p.api.Requests() - before; n > 0 {
		p.violate("a run that was refused sent %d requests", n)
	}
	for _, args := range [][]string{
		{"reconcile", file, "--adopt", "--yes", "--by", "torture"},
		{"resume", "--accept-database", "--reason", "the list is adopted", "--by", "torture"},
	} {
		c := exec.CommandContext(ctx, p.batch, args...)
		c.Env = p.environment()
		out, err := c.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != billing.ExitPerson) {
			return fmt.Errorf("batch %s: %w\n%s", args[0], err, out)
		}
		if err := os.WriteFile(filepath.Join(p.logs, args[0]+".log"), out, 0o600); err != nil {
			return err
		}
	}
	_, err = p.oneMore(ctx, "last")
	return err
}

func (p *pair) oneMore(ctx context.Context, name string) (code string, err error) {
	r, err := p.start(name)
	if err != nil {
		return "", err
	}
	if err := waitFor(r.ended, 2*settleWithin); err != nil {
		p.violate("%s has not ended after %s", name, 2*settleWithin)
		r.kill()
	}
	code, _, raw := r.exit()
	p.report.Exits[code]++
	if code != "0" && code != "3" && code != "5" {
		p.violate("%s ended with %s: %s", name, code, raw)
	}
	return code, ctx.Err()
}

// check compares the ledger with what the API has seen.
func (p *pair) check(ctx context.Context) error {
	sum := p.api.Summary()
	p.report.Requests, p.report.Effects = sum.Requests, sum.Effects
	return p.ask(ctx, p.database, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select i.id, i.pending, coalesce(d.state, '')
			from invoices i left join billonce.deliveries d on d.invoice_id = i.id`)
		if err != nil {
			return err
		}
		var id int64
		var pending bool
		var state billing.State
		_, err = pgx.ForEachRow(rows, []any{&id, &pending, &state}, func() error {
			p.report.States[state]++
			api := p.api.Invoice(strconv.FormatInt(id, 10))
			switch {
			case api.Effects > 1:
				p.violate("P1: invoice %d was billed %d times (%s)", id, api.Effects, state)
			case !p.Idempotent && api.Requests > 1:
				p.violate("P1: an API without keys was asked %d times for invoice %d (%s)", api.Requests, id, state)
			case state == billing.Sent && (api.Effects != 1 || pending):
				p.violate("P3: invoice %d is sent, was billed %d times, pending %t", id, api.Effects, pending)
			case state == billing.InDoubt && (p.Survivors == allLive || p.Idempotent), state != billing.Sent && state != billing.InDoubt:
				p.violate("P2: invoice %d is %q, and was billed %d times", id, state, api.Effects)
			}
			return nil
		})
		return err
	})
}

func (p *pair) violate(format string, args ...any) {
	p.report.Violations = append(p.report.Violations, fmt.Sprintf(format, args...))
}
