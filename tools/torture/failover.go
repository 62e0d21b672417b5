package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	toxiproxy "github.com/Shopify/toxiproxy/v2"

	"github.com/billonce/billonce/internal/billing"
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
		RunLock: "shared", Runners: 2, Invoices: 2000, Concurrency: 8, ClaimSize: 500, Latency: 15 * time.Millisecond,
	}
	if s.Failover == back {
		s.Survivors = allLive
	}
	return s
}

// pair is two servers behind one address.
type pair struct {
	*round
	standby *pgtemp.Server
}

// failover runs a round with one.
func (s *testbed) failover(ctx context.Context, seed uint64, progress func(string, ...any)) (rep report, err error) {
	p := &pair{}
	own := *s
	options := pgtemp.Options{Temporary: true, FastUnsafe: true, Settings: map[string]string{"shared_buffers": "64MB"}}
	if own.server, err = pgtemp.Start(context.WithoutCancel(ctx), options); err != nil {
		return rep, err
	}
	defer func() {
		_ = own.server.Close() // one that was killed says so
		if p.standby != nil {
			_ = p.standby.Close()
		}
	}()
	return own.round(ctx, failoverSetting(seed), fmt.Sprintf("failover-%d", seed), progress, func(r *round) (last *runner, err error) {
		p.round, options.StandbyOf = r, own.server
		r.judge.faultless.Store(true)
		progress("seed %d (%s)", seed, r.setting)
		if p.standby, err = pgtemp.Start(context.WithoutCancel(ctx), options); err != nil {
			return nil, err
		}
		n, err := r.newNetwork(0)
		if err != nil {
			return nil, err
		}
		defer n.close()
		if err := p.fails(ctx); err != nil {
			return nil, err
		}
		return p.afterwards(ctx)
	})
}

func (p *pair) environment() []string {
	return []string{"DATABASE_URL=" + p.networks[0].url, "BILLING_RATE=500", "RUN_CANARY=0", "LINGER=5s"}
}

// fails has runs send, and the database fail under them.
func (p *pair) fails(ctx context.Context) error {
	for n := range p.Runners {
		if _, err := p.start(fmt.Sprintf("runner-%d", n), 0, p.environment()...); err != nil {
			return err
		}
	}
	if err := p.awaitRequests(ctx, 300+int(p.Seed*37%400)); err != nil {
		return err
	}
	if err := p.failOver(ctx); err != nil {
		return err
	}
	if p.Failover == back {
		if err := errors.Join(p.standby.Follow(ctx, p.testbed.server), p.awaitRequests(ctx, p.judge.api.Requests()+300)); err != nil {
			return err
		}
		if err := p.failOver(ctx); err != nil {
			return err
		}
	}
	if err := p.awaitEnds(ctx, p.all...); err != nil {
		return err
	}
	for _, r := range p.all {
		want := "0"
		switch {
		case r.killed:
			want = syscall.SIGKILL.String()
		case p.Survivors == oneDies && !p.Idempotent:
			want = "5" // it can't know what the other one has sent
		}
		p.wantExit(r, want)
		if _, last, raw := r.exit(); last.Summary != nil && want == "0" && last.Summary.Stopped != "" {
			p.violate("%s stopped: %s", r.name, raw)
		}
	}
	return nil
}

func (p *pair) wantExit(r *runner, codes ...string) {
	code, _, raw := r.exit()
	p.exits[code]++
	if !slices.Contains(codes, code) {
		p.violate("%s ended with %s, not %s: %s", r.name, code, strings.Join(codes, " or "), raw)
	}
}

// failOver has the standby be the primary.
func (p *pair) failOver(ctx context.Context) error {
	fail := p.testbed.server.Halt
	if p.Failover == killed || p.Failover == lostTail {
		fail = func() error { return p.killServer(ctx) }
	}
	if err := fail(); err != nil {
		return err
	}
	p.noteStrike(p.Failover, 0)
	for n, r := range p.all {
		if p.Survivors == allDie || p.Survivors == oneDies && n == 0 {
			r.kill()
		}
	}
	p.testbed.server, p.standby = p.standby, p.testbed.server
	if err := p.testbed.execute(ctx, "postgres", "select pg_promote()"); err != nil {
		return err
	}
	err := p.testbed.ask(ctx, p.database, func(ctx context.Context, conn *pgx.Conn) error {
		var known int
		err := conn.QueryRow(ctx, "select count(*) from billonce.deliveries").Scan(&known)
		p.lost += max(0, p.judge.api.Requests()-known)
		return err
	})
	if err != nil {
		return err
	}
	to, err := url.Parse(p.testbed.server.URL(p.database))
	if err != nil {
		return err
	}
	proxy := p.networks[0].proxy
	return proxy.Update(&toxiproxy.Proxy{Listen: proxy.Listen, Upstream: to.Host, Enabled: true})
}

// killServer kills the primary with all of its processes, as a machine's end does.
func (p *pair) killServer(ctx context.Context) error {
	pids := []int{p.testbed.server.PID()}
	err := p.testbed.ask(ctx, "postgres", func(ctx context.Context, conn *pgx.Conn) error {
		var sender int
		if err := conn.QueryRow(ctx, "select pid from pg_stat_replication").Scan(&sender); err != nil {
			return err
		}
		if p.Failover == lostTail {
			if err := errors.Join(syscall.Kill(sender, syscall.SIGSTOP), sleep(ctx, time.Second)); err != nil {
				return err
			}
		}
		all, err := collect[int](ctx, conn, "select pid from pg_stat_activity")
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
func (p *pair) afterwards(ctx context.Context) (last *runner, err error) {
	if p.Idempotent || p.Survivors == allLive {
		return p.oneMore(ctx, "next", "0", "3")
	}
	before := p.judge.api.Requests()
	for _, name := range []string{"next", "again"} {
		if _, err := p.oneMore(ctx, name, "5"); err != nil {
			return nil, err
		}
	}
	if n := p.judge.api.Requests() - before; n > 0 {
		p.violate("runs that were refused sent %d requests", n)
	}
	list := []string{"id"}
	for _, r := range p.judge.api.Invoices() {
		if r.Effects > 0 {
			list = append(list, r.Invoice)
		}
	}
	file := filepath.Join(p.dir, "list.csv")
	if err := os.WriteFile(file, []byte(strings.Join(list, "\n")), 0o600); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"reconcile", file, "--adopt", "--yes", "--by", "torture"},
		{"resume", "--accept-database", "--reason", "the list is adopted", "--by", "torture"},
	} {
		c := exec.CommandContext(ctx, p.testbed.batch, args...)
		c.Env = p.environment()
		out, err := c.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != billing.ExitPerson) {
			return nil, fmt.Errorf("batch %s: %w\n%s", args[0], err, out)
		}
		if err := os.WriteFile(filepath.Join(p.dir, args[0]+".log"), out, 0o600); err != nil {
			return nil, err
		}
	}
	return p.oneMore(ctx, "last", "0", "3")
}

func (p *pair) oneMore(ctx context.Context, name string, want ...string) (*runner, error) {
	r, err := p.start(name, 0, p.environment()...)
	if err != nil {
		return nil, err
	}
	err = p.awaitEnds(ctx, r)
	p.wantExit(r, want...)
	return r, err
}
