package pgstore_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"billonce/internal/advisory"
	"billonce/internal/billing"
	"billonce/internal/billing/book"
	"billonce/internal/billing/engine"
	"billonce/internal/billing/pgstore"
	"billonce/internal/pgtemp"
	"billonce/internal/pgtemp/pgtest"
)

// pair is a primary and its standby behind one address.
type pair struct {
	*deafWay
	primary, standby *pgtemp.Server
	now              *pgx.ConnConfig // straight to the primary
}

func newPair(t *testing.T, invoices int) *pair {
	t.Helper()
	p := &pair{primary: pgtest.Server(t, nil)}
	p.now = configOf(t, p.primary)
	if err := pgstore.Seed(t.Context(), p.now, invoices); err != nil {
		t.Fatal(err)
	}
	if _, err := pgstore.Migrate(t.Context(), p.now, book.Demo()); err != nil {
		t.Fatal(err)
	}
	p.standby = pgtest.Standby(t, p.primary)
	p.deafWay = newDeafWay(t, p.now)
	return p
}

func configOf(t *testing.T, s *pgtemp.Server) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgstore.ParseURL(s.URL("postgres"), "test")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// cutOff has the standby replay all that was committed up to now, and nothing more.
func (p *pair) cutOff() {
	p.t.Helper()
	standby := configOf(p.t, p.standby)
	until := func(statement string) {
		p.t.Helper()
		for began := time.Now(); !query[bool](p.t, standby, statement); {
			if time.Since(began) > time.Minute {
				p.t.Fatalf("not yet: %s", statement)
			}
		}
	}
	until(fmt.Sprintf("select pg_last_wal_replay_lsn() >= '%s'", query[string](p.t, p.now, "select pg_current_wal_lsn()::text")))
	execute(p.t, standby, "alter system set primary_conninfo = ''")
	execute(p.t, standby, "select pg_reload_conf()")
	until("select not exists (select from pg_stat_wal_receiver)")
}

// failOver kills the primary, promotes the standby, and moves the address to it.
func (p *pair) failOver() {
	p.t.Helper()
	if err := p.primary.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.now = configOf(p.t, p.standby)
	if !query[bool](p.t, p.now, "select pg_promote()") {
		p.t.Fatal("the standby was not promoted")
	}
	p.leadTo(p.now)
}

// says keeps what is logged.
type heardLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *heardLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *heardLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// living is a run that is recorded, as `batch run` does it, and its run lock.
func (p *pair) living(a *api, strategy string, change func(*engine.Config)) (*runner, engine.RunLock, *heardLog) {
	p.t.Helper()
	ctx := p.t.Context()
	r := newRunner(p.t, p.ConnConfig, a, strategy, change)
	store, said := r.Ledger.(*pgstore.Store), &heardLog{}
	r.Log = zerolog.New(zerolog.MultiLevelWriter(said, zerolog.NewTestWriter(p.t))).Level(zerolog.InfoLevel)
	now, accepted, err := store.Identity(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	store.Home(now, true)
	if accepted == nil {
		if err := store.AcceptIdentity(ctx, now, "test", "test"); err != nil {
			p.t.Fatal(err)
		}
	}
	err = store.StartRun(ctx, pgstore.RunRecord{Name: "demo", Strategy: strategy, RunLock: "shared", Application: "test", Version: "test"})
	if err != nil {
		p.t.Fatal(err)
	}
	held, err := advisory.Acquire(ctx, advisory.Config{Conn: p.ConnConfig, Key: advisory.NewRunKey("demo"), Mode: advisory.Shared, LongestRequest: time.Second})
	if err != nil {
		p.t.Fatal(err)
	}
	lock := store.KeepRunLock(held, "demo", advisory.Shared)
	p.t.Cleanup(func() { _ = lock.Release(context.Background()) })
	r.Failover = store
	return r, lock, said
}

// at calls f as the API is asked for the nth time.
type at struct {
	mu sync.Mutex
	n  int
	do map[int]func()
}

func (c *at) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	if f := c.do[c.n]; f != nil {
		f()
	}
}

// P12: a run lives through a fail-over that has lost its last commits: what it remembers it
// writes again before it sends anything, and each invoice is sent once.
func TestP12ARunLivesThroughALostTail(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			const invoices = 200
			p := newPair(t, invoices)
			calls := &at{do: map[int]func(){50: p.cutOff, 120: p.failOver}}
			a := &api{reply: func(billing.Request, int) billing.Reply {
				calls.next()
				return billing.Reply{Outcome: billing.Accepted, Status: 200}
			}}
			r, lock, said := p.living(a, strategy, func(c *engine.Config) { c.ClaimSize = 20 })
			s := r.Run(t.Context(), lock)
			if s.ExitCode() != 0 || len(a.requests) != invoices {
				t.Errorf("exit %d, stopped %q (%v), %d invoices", s.ExitCode(), s.Stopped, s.Err, len(a.requests))
			}
			for id, n := range a.requests {
				if n != 1 {
					t.Errorf("invoice %s was sent %d times", id, n)
				}
			}
			if got := query[string](t, p.now, statesQuery); got != fmt.Sprintf("sent/false=%d", invoices) {
				t.Error(got)
			}
			if !strings.Contains(said.String(), `"event":"failed_over"`) || strings.Contains(said.String(), `"missing":0`) {
				t.Errorf("what was missing is not told:\n%s", said)
			}
			if got := query[string](t, p.now, "select accepted_identity ->> 'timeline' from billonce.ledger"); got != "00000002" {
				t.Errorf("the ledger trusts timeline %s", got)
			}
		})
	}
}

const statesQuery = `select coalesce(string_agg(s || '=' || n, ' ' order by s), '') from (
	select coalesce(d.state, 'none') || '/' || i.pending as s, count(*) as n
	from invoices i left join billonce.deliveries d on d.invoice_id = i.id group by 1) x`
