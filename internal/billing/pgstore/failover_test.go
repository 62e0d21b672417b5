package pgstore_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// standbys closes met when the log tells that both, settler and claim, met a standby.
type standbys struct {
	mu             sync.Mutex
	settler, claim bool
	met            chan struct{}
}

func (s *standbys) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settler && s.claim || !bytes.Contains(line, []byte("is a standby")) {
		return len(line), nil
	}
	s.settler = s.settler || bytes.Contains(line, []byte("settling again"))
	s.claim = s.claim || bytes.Contains(line, []byte("claiming again"))
	if s.settler && s.claim {
		close(s.met)
	}
	return len(line), nil
}

// In a fail-over the address leads to a standby before that is promoted. A request
// was answered by then: its outcome is written all the same, and the run goes on.
func TestStandbyIsAwaitedUntilItIsPromoted(t *testing.T) {
	t.Parallel()
	primary := pgtest.Server(t, nil)
	cfg, err := pgstore.ParseURL(primary.URL("postgres"), "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := pgstore.Seed(t.Context(), cfg, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := pgstore.Migrate(t.Context(), cfg, book.Demo()); err != nil {
		t.Fatal(err)
	}
	way := newDeafWay(t, cfg)
	said := &standbys{met: make(chan struct{})}
	run := uuid.New()
	s, err := pgstore.Open(t.Context(), pgstore.Config{
		Conn: way.ConnConfig, Book: book.Demo(), RunID: run, Strategy: "advisory", Log: zerolog.New(said),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	sending(t, s, "1", "2")

	standby, err := pgstore.ParseURL(pgtest.Standby(t, primary).URL("postgres"), "test")
	if err != nil {
		t.Fatal(err)
	}
	way.leadTo(standby)
	settled := make(chan []billing.Settled, 1)
	go func() {
		came, err := settlingOf(s)(t.Context(), []billing.Settlement{sent(run, "1"), sent(run, "2")})
		if err != nil {
			t.Error(err)
		}
		settled <- came
	}()
	claimed := make(chan error, 1)
	claimer := newClaimer(t, s)
	go func() {
		claim, err := claimer.Claim(t.Context(), []billing.Candidate{{ID: "3"}})
		if err == nil && len(claim.IDs) != 1 {
			t.Errorf("claimed %v", claim.IDs)
		}
		claimed <- err
	}()
	select {
	case <-said.met:
	case came := <-settled:
		t.Fatalf("given up on the standby: %v", came)
	case err := <-claimed:
		t.Fatalf("given up on the standby: %v", err)
	}
	if !query[bool](t, standby, "select pg_promote()") {
		t.Fatal("the standby was not promoted")
	}
	for _, came := range <-settled {
		if came != billing.SettledFully {
			t.Errorf("settled: %v, want SettledFully", came)
		}
	}
	if err := <-claimed; err != nil {
		t.Error(err)
	}
	if got := query[string](t, standby, "select string_agg(id || ':' || pending, ' ' order by id) from invoices"); got != "1:false 2:false 3:true" {
		t.Errorf("pending: %s", got)
	}
}

// A server that refuses connections for a while, for a reason of a DBA's, has said
// nothing of what was to be settled.
func TestSettleOutlivesARefusedConnection(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	heard := make(chan struct{})
	run := uuid.New()
	s, err := pgstore.Open(t.Context(), pgstore.Config{
		Conn: cfg, Book: book.Demo(), RunID: run, Strategy: "advisory", Log: zerolog.New(&says{words: "not currently accepting connections", heard: heard}),
	})
	if err != nil {
		t.Fatal(err)
	}
	sending(t, s, "1", "2")
	admin := cfg.Copy()
	admin.Database = "postgres"
	accept := func(yes bool) {
		execute(t, admin, fmt.Sprintf("alter database %s allow_connections %t", pgx.Identifier{cfg.Database}.Sanitize(), yes))
	}
	accept(false)
	for began := time.Now(); query[int](t, admin, "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1", cfg.Database) > 0; {
		if time.Since(began) > time.Minute {
			t.Fatal("a backend did not end")
		}
	}
	settled := make(chan []billing.Settled, 1)
	go func() {
		came, err := settlingOf(s)(t.Context(), []billing.Settlement{sent(run, "1"), sent(run, "2")})
		if err != nil {
			t.Error(err)
		}
		settled <- came
	}()
	select {
	case <-heard:
		accept(true)
	case came := <-settled:
		accept(true)
		t.Fatalf("given up: %v", came)
	}
	for _, came := range <-settled {
		if came != billing.SettledFully {
			t.Errorf("settled: %v, want SettledFully", came)
		}
	}
	_ = s.Close(t.Context()) // its first connection was ended
}
