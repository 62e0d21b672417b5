package pgstore_test

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

func openStore(t testing.TB, cfg *pgx.ConnConfig, strategy string) (*pgstore.Store, uuid.UUID) {
	t.Helper()
	return openBook(t, cfg, book.Demo(), strategy)
}

func openBook(t testing.TB, cfg *pgx.ConnConfig, b book.Book, strategy string) (*pgstore.Store, uuid.UUID) {
	t.Helper()
	id := uuid.New()
	s, err := pgstore.Open(t.Context(), pgstore.Config{
		Conn: cfg, Book: b, RunID: id, Strategy: strategy, LongestRequest: time.Second, Row: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, id
}

// Claims begin on the connections that they are given, which a DBA's time-out does
// not end while the run lock is waited for, and go on without one that breaks.
func TestClaimsBeginOnGivenConnections(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	var given [2]*pgx.Conn
	for i := range given {
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		if _, err := conn.Exec(t.Context(), "set idle_in_transaction_session_timeout = '1ms'"); err != nil {
			t.Fatal(err)
		}
		given[i] = conn
	}
	s, err := pgstore.Open(t.Context(), pgstore.Config{
		Conn: cfg, Book: book.Demo(), RunID: uuid.New(), Strategy: "advisory", LongestRequest: time.Second, Row: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	s.TakeForClaims(t.Context(), given[:]...)
	var timeout string
	if err := given[0].QueryRow(t.Context(), "show idle_in_transaction_session_timeout").Scan(&timeout); err != nil || timeout != "0" {
		t.Errorf("its time-out is %q (%v)", timeout, err)
	}
	if !query[bool](t, cfg, "select pg_terminate_backend($1)", given[1].PgConn().PID()) {
		t.Fatal("it is gone already")
	}
	for i, id := range []billing.InvoiceID{"1", "2"} {
		claim, err := newClaimer(t, s).Claim(t.Context(), []billing.Candidate{{ID: id}})
		if err != nil || len(claim.IDs) != 1 {
			t.Fatalf("claim %s: %+v, %v", id, claim, err)
		}
		holds := query[bool](t, cfg, "select exists (select from pg_locks where locktype = 'advisory' and pid = $1)", given[i].PgConn().PID())
		if want := i == 0; holds != want {
			t.Errorf("invoice %s is locked by the given connection: %t, want %t", id, holds, want)
		}
	}
}

func newClaimer(t testing.TB, s *pgstore.Store) engine.Claimer {
	t.Helper()
	c := s.NewClaimer()
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func query[T any](t testing.TB, cfg *pgx.ConnConfig, statement string, args ...any) (v T) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), statement, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return v
}

func execute(t testing.TB, cfg *pgx.ConnConfig, statement string) {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.PgConn().Exec(t.Context(), statement).Close(); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

const advisoryLocks = `select count(*) from pg_locks where locktype = 'advisory'
	and database = (select oid from pg_database where datname = current_database())`

// A lock function in a WHERE locks what it never returns. A claim locks what it
// returns, whatever the plan.
func TestClaimLocksWhatItReturns(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]string{
		"with_index":    "analyze invoices",
		"without_index": "drop index invoices_pending_idx; analyze invoices",
		"no_statistics": "select",
		"sequential":    "alter database %s set enable_indexscan = off; alter database %s set enable_bitmapscan = off",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := newDB(t)
			if err := pgstore.Seed(t.Context(), cfg, 5000); err != nil {
				t.Fatal(err)
			}
			if name == "sequential" {
				prepare = "alter database " + cfg.Database + " set enable_indexscan = off; " +
					"alter database " + cfg.Database + " set enable_bitmapscan = off"
			}
			execute(t, cfg, prepare)
			s, _ := openStore(t, cfg, "advisory")
			candidates, err := s.Scan(t.Context(), nil, nil, 10)
			if err != nil {
				t.Fatal(err)
			}
			claim, err := newClaimer(t, s).Claim(t.Context(), candidates)
			if err != nil {
				t.Fatal(err)
			}
			if locks := query[int](t, cfg, advisoryLocks); len(claim.IDs) != 10 || locks != 10 {
				t.Errorf("%d invoices claimed, %d locks held; want 10 and 10", len(claim.IDs), locks)
			}
			if err := claim.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			if locks := query[int](t, cfg, advisoryLocks); locks != 0 {
				t.Errorf("%d locks left after the release", locks)
			}
		})
	}
}

// An advisory claim writes nothing and holds no vacuum back while its requests
// are in flight.
func TestIdleAdvisoryClaimHasNoSnapshot(t *testing.T) {
	t.Parallel()
	cfg := newDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 10); err != nil {
		t.Fatal(err)
	}
	s, _ := openStore(t, cfg, "advisory")
	candidates, err := s.Scan(t.Context(), nil, nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newClaimer(t, s).Claim(t.Context(), candidates); err != nil {
		t.Fatal(err)
	}
	clean := query[bool](t, cfg, `select count(*) = 1 and bool_and(backend_xid is null and backend_xmin is null)
		from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`)
	if !clean {
		t.Error("the claim's idle transaction shows a transaction id or a snapshot")
	}
}

// Eight claimers over one table that is being settled as they go: what one
// hands out to be sent, no other one does. The ledger's fence is not in play:
// what is counted is what the second look, under the lock, lets through.
func TestClaimersNeverHandOutTwice(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			const invoices, claimers = 5000, 8
			cfg := newDB(t)
			if err := pgstore.Seed(t.Context(), cfg, invoices); err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			handedOut := make(map[billing.InvoiceID]int)
			var g errgroup.Group
			for range claimers {
				s, run := openStore(t, cfg, strategy)
				c := newClaimer(t, s)
				g.Go(func() error {
					return settleAll(t.Context(), s, c, run, func(id billing.InvoiceID) {
						mu.Lock()
						defer mu.Unlock()
						handedOut[id]++
					})
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			twice := 0
			for _, n := range handedOut {
				if n > 1 {
					twice++
				}
			}
			if twice > 0 || len(handedOut) != invoices {
				t.Errorf("%d of %d invoices handed out, %d of them more than once", len(handedOut), invoices, twice)
			}
			if left := query[int](t, cfg, "select count(*) from invoices where pending"); left != 0 {
				t.Errorf("%d invoices left pending", left)
			}
		})
	}
}

// settleAll claims from random places and settles as sent, until nothing is pending.
func settleAll(ctx context.Context, s *pgstore.Store, c engine.Claimer, run uuid.UUID, handOut func(billing.InvoiceID)) error {
	var after *billing.InvoiceID
	for {
		candidates, err := s.Scan(ctx, after, nil, 1+rand.IntN(50))
		if err != nil {
			return err
		}
		if len(candidates) == 0 {
			if after == nil {
				return nil
			}
			after = nil
			continue
		}
		place := billing.InvoiceID(strconv.Itoa(rand.IntN(5000)))
		after = &place
		claim, err := c.Claim(ctx, candidates)
		if err != nil {
			return err
		}
		if err := settleClaim(ctx, s, claim, run, handOut); err != nil {
			return err
		}
	}
}

func settleClaim(ctx context.Context, s *pgstore.Store, claim *billing.Claimed, run uuid.UUID, handOut func(billing.InvoiceID)) error {
	seen, err := s.Look(ctx, claim.IDs)
	if err != nil {
		return err
	}
	var intents []billing.Intent
	var settlements []billing.Settlement
	for _, inv := range seen {
		handOut(inv.ID)
		intents = append(intents, newIntent(inv.ID))
		settlements = append(settlements, billing.Settlement{InvoiceID: inv.ID, RunID: run, Attempt: 1, RunAttempt: 1, State: billing.Sent})
	}
	if len(intents) > 0 {
		if _, err := intend(ctx, s, intents, time.Minute); err != nil {
			return err
		}
		settler := settlingOf(s)
		if claim.Settle != nil {
			settler = claim.Settle
		}
		if _, err := settler(ctx, settlements); err != nil {
			return err
		}
	}
	return claim.Release(ctx)
}

func newIntent(id billing.InvoiceID) billing.Intent {
	hash := sha256.Sum256([]byte(id))
	lookup := billing.LookUpHash("", nil) // the harness's renderer makes the same
	return billing.Intent{InvoiceID: id, Attempt: 1, RunAttempt: 1, Key: uuid.NewString(), BodySHA256: hash[:], LookupSHA256: lookup[:]}
}

// A `sending` delivery is taken over only by one who has had both locks: a live
// request of the other strategy's runner is not taken for a dead one's.
func TestRecoveryTakesBothLocks(t *testing.T) {
	t.Parallel()
	for live, other := range map[string]string{"advisory": "row", "row": "advisory"} {
		t.Run(live+"_is_live", func(t *testing.T) {
			t.Parallel()
			cfg := newDB(t)
			if err := pgstore.Seed(t.Context(), cfg, 1); err != nil {
				t.Fatal(err)
			}
			sender, _ := openStore(t, cfg, live)
			claimer := newClaimer(t, sender)
			candidates, err := sender.Scan(t.Context(), nil, nil, 10)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := claimer.Claim(t.Context(), candidates); err != nil {
				t.Fatal(err)
			}
			if _, err := intend(t.Context(), sender, []billing.Intent{newIntent("1")}, time.Minute); err != nil {
				t.Fatal(err)
			}
			second, _ := openStore(t, cfg, other)
			if got := recoverable(t, second); got != 0 {
				t.Errorf("%d deliveries could be taken over from a live %s runner by a %s runner", got, live, other)
			}
			if err := claimer.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := recoverable(t, second); got != 1 {
				t.Errorf("%d deliveries could be taken over from a dead runner, want 1", got)
			}
		})
	}
}

func recoverable(t *testing.T, s *pgstore.Store) int {
	t.Helper()
	candidates, err := s.Scan(t.Context(), nil, nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := newClaimer(t, s).Claim(t.Context(), candidates)
	if err != nil {
		t.Fatal(err)
	}
	if err := claim.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	return len(claim.Recoverable)
}

// The primary key is the fence: with the locks out of play, one of two intents
// gets through.
func TestIntentIsFenced(t *testing.T) {
	t.Parallel()
	cfg := newDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 1); err != nil {
		t.Fatal(err)
	}
	a, _ := openStore(t, cfg, "advisory")
	b, _ := openStore(t, cfg, "row")
	first, err := intend(t.Context(), a, []billing.Intent{newIntent("1")}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	second, err := intend(t.Context(), b, []billing.Intent{newIntent("1")}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 1 || len(second) != 0 {
		t.Errorf("the first intent %v, the second %v; want one and none", first, second)
	}
}

// A claim whose backend is terminated says so at once, with no timer involved.
func TestClaimKnowsOfItsLoss(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			cfg := newDB(t)
			if err := pgstore.Seed(t.Context(), cfg, 10); err != nil {
				t.Fatal(err)
			}
			s, _ := openStore(t, cfg, strategy)
			candidates, err := s.Scan(t.Context(), nil, nil, 10)
			if err != nil {
				t.Fatal(err)
			}
			c := s.NewClaimer()
			claim, err := c.Claim(t.Context(), candidates)
			if err != nil {
				t.Fatal(err)
			}
			execute(t, cfg, `select pg_terminate_backend(pid) from pg_stat_activity
				where datname = current_database() and state = 'idle in transaction'`)
			began := time.Now()
			select {
			case <-claim.Lost:
			case <-time.After(20 * time.Second):
				t.Fatal("the loss was not noticed within 20 s")
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("the loss was noticed after %s: by the heartbeat, not by the reader", took)
			}
			if err := claim.Release(t.Context()); err == nil {
				t.Error("the release of a lost claim reports no error")
			}
			for claimed := 0; claimed < 10; { // we know of the loss before the server has freed the locks
				again, err := c.Claim(t.Context(), candidates)
				if err != nil {
					t.Fatalf("a claim after the loss: %v", err)
				}
				claimed = len(again.IDs)
				if err := again.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// bodyIntent is the intent that a runner would record for this invoice.
func bodyIntent(inv billing.Invoice) billing.Intent {
	hash := sha256.Sum256(inv.Row)
	i := newIntent(inv.ID)
	i.BodySHA256 = hash[:]
	return i
}
