package pgstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// pair is a primary and its standby behind one address.
type pair struct {
	*deafWay
	primary, standby *pgtemp.Server
	now              *pgx.ConnConfig // straight to the primary
	promoted         func()          // before anybody else is there
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

// failOver ends the primary, promotes the standby, and moves the address to it.
func (p *pair) failOver() {
	p.t.Helper()
	if err := p.primary.Halt(); err != nil {
		p.t.Fatal(err)
	}
	p.primary, p.standby = p.standby, p.primary
	p.now = configOf(p.t, p.primary)
	if !query[bool](p.t, p.now, "select pg_promote()") {
		p.t.Fatal("the standby was not promoted")
	}
	if p.promoted != nil {
		p.promoted()
	}
	p.leadTo(p.now)
}

// follow has the old primary be the standby of the new one.
func (p *pair) follow() {
	p.t.Helper()
	if err := p.standby.Follow(p.t.Context(), p.primary); err != nil {
		p.t.Error(err) // it is a sender that does it: not Fatal
	}
	for began := time.Now(); !query[bool](p.t, p.now, "select exists (select from pg_stat_replication where state = 'streaming')"); {
		if time.Since(began) > time.Minute {
			p.t.Error("the old primary does not follow the new one")
			return
		}
	}
}

// heardLog keeps what is logged.
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

// at does something as the API is asked for the nth time, or for an invoice.
type at struct {
	mu sync.Mutex
	n  int
	do map[int]func()
	of map[billing.InvoiceID]func()
}

func (c *at) next(id billing.InvoiceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	if f := c.do[c.n]; f != nil {
		f()
	}
	if f := c.of[id]; f != nil {
		f()
	}
}

// accepts accepts everything, and tells calls of it.
func accepts(calls *at) *api {
	return &api{reply: func(m billing.Request, _ int) billing.Reply {
		calls.next(m.InvoiceID)
		return billing.Reply{Outcome: billing.Accepted, Status: 200}
	}}
}

func (p *pair) wantOnce(a *api, states string) {
	p.t.Helper()
	for id, n := range a.requests {
		if n != 1 {
			p.t.Errorf("invoice %s was sent %d times", id, n)
		}
	}
	if got := query[string](p.t, p.now, statesQuery); got != states {
		p.t.Errorf("delivery state/pending: %s, want %s", got, states)
	}
}

// P12: runs live through a fail-over that has lost their last commits: what they remember
// they write again before they send anything, each waits for the other, and each invoice
// is sent once.
func TestP12RunsLiveThroughALostTail(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			const invoices = 200
			p := newPair(t, invoices)
			a := accepts(&at{do: map[int]func(){50: p.cutOff, 120: p.failOver}})
			var said [2]*heardLog
			var runs sync.WaitGroup
			for n := range said {
				r, lock, log := p.living(a, strategy, func(c *engine.Config) { c.ClaimSize, c.Spread, c.Linger = 20, true, time.Minute })
				said[n] = log
				runs.Go(func() {
					if s := r.Run(t.Context(), lock); s.ExitCode() != 0 {
						t.Errorf("exit %d, stopped %q (%v)", s.ExitCode(), s.Stopped, s.Err)
					}
				})
			}
			runs.Wait()
			p.wantOnce(a, fmt.Sprintf("sent/false=%d", invoices))
			text := said[0].String() + said[1].String()
			if strings.Count(text, `"event":"failed_over"`) != 2 || !strings.Contains(text, "they are written again") {
				t.Error("what was missing is not told")
			}
			if got := query[string](t, p.now, "select accepted_identity ->> 'timeline' from billonce.ledger"); got != "00000002" {
				t.Errorf("the ledger trusts timeline %s", got)
			}
			if got := query[int](t, p.now, "select count(*) from billonce.runs where identity ->> 'timeline' = '00000002'"); got != 2 {
				t.Errorf("%d of 2 runs tell that theirs stands", got)
			}
		})
	}
}

// P12: a switchover that loses nothing is no question, under a run that lives through it;
// nor is the one back.
func TestP12ASwitchoverIsNoQuestion(t *testing.T) {
	t.Parallel()
	const invoices = 60
	p := newPair(t, invoices)
	a := accepts(&at{do: map[int]func(){20: p.failOver, 30: p.follow, 40: p.failOver}})
	r, lock, said := p.living(a, "advisory", func(c *engine.Config) { c.ClaimSize = 10 })
	if s := r.Run(t.Context(), lock); s.ExitCode() != 0 {
		t.Errorf("exit %d, stopped %q (%v)", s.ExitCode(), s.Stopped, s.Err)
	}
	p.wantOnce(a, fmt.Sprintf("sent/false=%d", invoices))
	if strings.Contains(said.String(), "they are written again") || strings.Count(said.String(), "all that this run remembers stands") != 2 {
		t.Error("what stands is taken for lost")
	}
}

// P12: two servers that were promoted one after the other, the second one without knowing
// of the first, are on timelines of one number: a run notices that fail-over, too.
func TestP12AnotherTimelineOfTheSameNumber(t *testing.T) {
	t.Parallel()
	const invoices = 60
	p := newPair(t, invoices)
	a := accepts(&at{do: map[int]func(){20: p.failOver, 40: func() {
		if err := p.standby.Follow(t.Context(), nil); err != nil {
			t.Error(err)
		}
		p.failOver()
	}}})
	r, lock, said := p.living(a, "advisory", func(c *engine.Config) { c.ClaimSize = 10 })
	if s := r.Run(t.Context(), lock); s.ExitCode() != 0 {
		t.Errorf("exit %d, stopped %q (%v)", s.ExitCode(), s.Stopped, s.Err)
	}
	p.wantOnce(a, fmt.Sprintf("sent/false=%d", invoices))
	if !strings.Contains(said.String(), "they are written again") {
		t.Error("what was missing is not told")
	}
}

// P12: a server on a timeline of the same number that has no word of this run that all
// stands there takes none of its writes, whichever connection they come by.
func TestP12EachWriteAsksForTheRunsRow(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]string{
		"it does not know the run":    "delete from billonce.runs",
		"it knows it from before":     `update billonce.runs set identity = jsonb_set(identity, '{timeline}', '"00000000"')`,
		"it knew no timeline by then": "update billonce.runs set identity = null",
		"it is the one that was left": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 2)
			store := newRunner(t, cfg, &api{}, "advisory", func(*engine.Config) {}).Ledger.(*pgstore.Store)
			now, _, err := store.Identity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			store.Home(now, true)
			if err := store.StartRun(t.Context(), pgstore.RunRecord{Name: "demo", Strategy: "advisory", RunLock: "shared", Application: "test", Version: "test"}); err != nil {
				t.Fatal(err)
			}
			begin := func(id billing.InvoiceID) error {
				_, err := store.Commit(t.Context(), []billing.Intent{newIntent(id)}, nil)
				return err
			}
			if err := begin("1"); err != nil {
				t.Fatal(err)
			}
			want, deliveries := error(nil), 2
			if other != "" {
				execute(t, cfg, other)
				want, deliveries = billing.ErrFailedOver, 1
			}
			if err := begin("2"); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			if n := query[int](t, cfg, "select count(*) from billonce.deliveries"); n != deliveries {
				t.Errorf("%d deliveries, want %d", n, deliveries)
			}
			if moved, err := store.Follow(t.Context()); err != nil || moved != (want != nil) {
				t.Errorf("it was left: %t (%v)", moved, err)
			}
			if err := store.RecordAgain(t.Context(), false); err != nil {
				t.Error(err)
			}
			if err := begin("2"); err != nil {
				t.Errorf("once all stands: %v", err)
			}
		})
	}
}

// P12: a run that writes again what a server lacks, and meets another one meanwhile, begins
// anew there, though it is on a timeline of the same number. Once all stands, a restart is
// no fail-over.
func TestP12WritingAgainIsForOneServer(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t, nil)
	cfg := configOf(t, server)
	if err := pgstore.Seed(t.Context(), cfg, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := pgstore.Migrate(t.Context(), cfg, book.Demo()); err != nil {
		t.Fatal(err)
	}
	store := newRunner(t, cfg, &api{}, "advisory", func(*engine.Config) {}).Ledger.(*pgstore.Store)
	now, _, err := store.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store.Home(now, true)
	restart := func() { // as good as another server: it is told by since when it runs
		t.Helper()
		if err := server.Restart(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	restart() // nothing is written yet
	if err := store.StartRun(t.Context(), pgstore.RunRecord{Name: "demo", Strategy: "advisory", RunLock: "shared", Application: "test", Version: "test"}); err != nil {
		t.Fatal(err)
	}
	follow := func(want bool) {
		t.Helper()
		if moved, err := store.Follow(t.Context()); err != nil || moved != want {
			t.Fatalf("moved: %t (%v), want %t", moved, err, want)
		}
	}
	restart()
	follow(false)
	execute(t, cfg, "delete from billonce.runs") // as a server that was promoted before
	if _, _, err := store.Behind(t.Context()); !errors.Is(err, billing.ErrFailedOver) {
		t.Errorf("others are asked for where nothing is told: %v", err)
	}
	follow(true)
	restart()
	if err := store.RecordAgain(t.Context(), false); !errors.Is(err, billing.ErrFailedOver) {
		t.Errorf("that all stands is told to another server: %v", err)
	}
	follow(true)
	if err := store.RecordAgain(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	restart()
	follow(false)
	if _, err := store.Commit(t.Context(), []billing.Intent{newIntent("1")}, nil); err != nil {
		t.Error(err)
	}
	behind := func(want int, wantLost bool) {
		t.Helper()
		if runs, lost, err := store.Behind(t.Context()); err != nil || len(runs) != want || lost != wantLost {
			t.Errorf("behind are %q; more is lost: %t (%v)", runs, lost, err)
		}
	}
	behind(0, false)
	another := newRunner(t, cfg, &api{}, "advisory", func(*engine.Config) {}).Ledger.(*pgstore.Store)
	if now, _, err = another.Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	another.Home(now, true)
	if err := another.StartRun(t.Context(), pgstore.RunRecord{Name: "demo", Strategy: "advisory", RunLock: "shared", Application: "test", Version: "test"}); err != nil {
		t.Fatal(err)
	}
	if err := another.RecordAgain(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if err := another.FinishRun(t.Context(), billing.ExitRefused, billing.Summary{}); err != nil {
		t.Fatal(err)
	}
	behind(1, true)
	if err := store.AcceptIdentity(t.Context(), now, "ann", "compared"); err != nil {
		t.Fatal(err)
	}
	behind(0, false) // a person has accepted what it suspected
}

// P12: where more was lost than the run remembers, the rules are those for a run that
// starts: without keys it sends no more and ends with 5, with keys it goes on.
func TestP12MoreWasLostThanIsRemembered(t *testing.T) {
	t.Parallel()
	unfinished := func(p *pair) {
		execute(p.t, p.now, `insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, program, identity)
			select gen_random_uuid(), 'demo', 'advisory', 'shared', 'a runner that died', 'test', 4, accepted_identity from billonce.ledger`)
	}
	for name, c := range map[string]struct {
		keys           bool
		before, during func(p *pair) // the run begins; it is under way
		why            string
	}{
		"its beginning was lost":       {false, (*pair).cutOff, func(*pair) {}, "more was lost than this run remembers"},
		"its beginning was lost, keys": {true, (*pair).cutOff, func(*pair) {}, "more was lost than this run remembers"},
		"another run does not come":    {false, unfinished, (*pair).cutOff, "a runner that died"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const invoices = 60
			p := newPair(t, invoices)
			first, _, _ := p.living(accepts(&at{}), "advisory", func(c *engine.Config) { c.Limit = 1 })
			first.Run(t.Context(), nil) // the ledger trusts the database
			execute(t, p.now, "update billonce.runs set finished_at = now(), exit_code = 0, summary = '{}'")
			c.before(p)
			a := accepts(&at{do: map[int]func(){10: func() { c.during(p) }, 30: p.failOver}})
			r, lock, _ := p.living(a, "advisory", func(e *engine.Config) { e.ClaimSize, e.Idempotent, e.Linger = 10, c.keys, time.Second })
			s := r.Run(t.Context(), lock)
			if c.keys {
				if s.ExitCode() != 0 {
					t.Errorf("exit %d, stopped %q (%v)", s.ExitCode(), s.Stopped, s.Err)
				}
				if n := query[int](t, p.now, "select count(*) from billonce.ledger where newest_sent_at is not null"); n != 1 {
					t.Error("what looks untried does not count as sent before")
				}
				return
			}
			if s.ExitCode() != billing.ExitRefused || s.Stopped != billing.StoppedByFailover || !strings.Contains(fmt.Sprint(s.Err), c.why) {
				t.Errorf("exit %d, stopped %q (%v)", s.ExitCode(), s.Stopped, s.Err)
			}
			if n := len(a.requests); n == invoices-1 {
				t.Errorf("%d were sent", n)
			}
			if got := query[string](t, p.now, "select accepted_identity ->> 'timeline' from billonce.ledger"); got != "00000001" {
				t.Errorf("the ledger trusts timeline %s", got)
			}
			for id, n := range a.requests {
				if n != 1 {
					t.Errorf("invoice %s was sent %d times", id, n)
				}
			}
			if n := query[int](t, p.now, "select count(*) from billonce.deliveries where state = 'sent'"); n < len(a.requests) {
				t.Errorf("%d of %d accepted ones stand", n, len(a.requests))
			}
		})
	}
}

// P12: a run that goes on under keys ends as the API may have forgotten them.
func TestP12KeysGrowOldUnderARun(t *testing.T) {
	t.Parallel()
	cfg := newDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 20); err != nil {
		t.Fatal(err)
	}
	var a api
	r := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) {
		c.Idempotent, c.KeyTTL, c.Forgotten = true, time.Hour, time.Now().Add(-55*time.Minute)
	})
	s := r.Run(t.Context(), nil)
	if s.ExitCode() != billing.ExitRefused || s.Stopped != billing.StoppedByFailover || len(a.requests) > 0 {
		t.Errorf("exit %d, stopped %q (%v), %d requests", s.ExitCode(), s.Stopped, s.Err, len(a.requests))
	}
}

// P12: an invoice that was lost with its id given out again is another one: it is not
// marked by what was sent before, and waits for a person.
func TestP12ALostIDIsAnotherInvoice(t *testing.T) {
	t.Parallel()
	for _, replied := range []bool{true, false} { // before the fail-over, or after it
		t.Run(fmt.Sprint(replied), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, 20)
			given := func(customer string) {
				execute(t, p.now, "insert into invoices (id, customer, amount_cents, currency, due_date) overriding system value values (500, '"+customer+"', 1, 'EUR', '2026-01-01')")
			}
			p.promoted = func() { given("another") }
			calls := &at{do: map[int]func(){5: func() { p.cutOff(); given("one") }}}
			calls.of = map[billing.InvoiceID]func(){}
			last := func() {
				if replied { // of the one that the run meets after it
					awaitDelivery(t, p.now, "500", billing.Sent)
				}
				p.failOver()
			}
			if replied {
				given := calls.do[5]
				calls.do[5] = func() {
					given()
					execute(t, p.now, "insert into invoices (id, customer, amount_cents, currency, due_date) overriding system value values (501, 'c', 1, 'EUR', '2026-01-01')")
				}
				calls.of["501"] = last
			} else {
				calls.of["500"] = last
			}
			a := accepts(calls)
			r, lock, said := p.living(a, "advisory", func(c *engine.Config) {
				c.ClaimSize, c.Concurrency = 1, 1
				c.Claims, c.MostClaims = 1, 1 // else 501 may be sent before 500
			})
			s := r.Run(t.Context(), lock)
			if s.ExitCode() != billing.ExitPerson || s.AlreadySent != 1 {
				t.Errorf("exit %d, stopped %q (%v), %d pending again", s.ExitCode(), s.Stopped, s.Err, s.AlreadySent)
			}
			p.wantOnce(a, "sent/false=20 sent/true=1")
			if !strings.Contains(said.String(), `"event":"failed_over"`) {
				t.Error("nothing is told")
			}
		})
	}
}

func awaitDelivery(t *testing.T, cfg *pgx.ConnConfig, id billing.InvoiceID, state billing.State) {
	t.Helper()
	for began := time.Now(); query[int](t, cfg, "select count(*) from billonce.deliveries where invoice_id = $1::text::bigint and state = $2", string(id), state) != 1; {
		if time.Since(began) > time.Minute {
			t.Errorf("invoice %s did not become %s", id, state) // it is a sender that waits: not Fatalf
			return
		}
	}
}

const statesQuery = `select coalesce(string_agg(s || '=' || n, ' ' order by s), '') from (
	select coalesce(d.state, 'none') || '/' || i.pending as s, count(*) as n
	from invoices i left join billonce.deliveries d on d.invoice_id = i.id group by 1) x`
