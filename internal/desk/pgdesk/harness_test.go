package pgdesk_test

import (
	"context"
	"crypto/sha256"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func demoBook() pgstore.DeskBook { return pgstore.DeskBook{Book: book.Demo()} }

// seeded is a database with the demo's table, its ledger, and n pending invoices.
func seeded(t *testing.T, n int) *pgx.ConnConfig {
	t.Helper()
	url := pgtest.DB(t, "demo", func(ctx context.Context, url string) error {
		cfg, err := pgstore.ParseURL(url, "test")
		if err != nil {
			return err
		}
		if err := pgstore.Seed(ctx, cfg, 0); err != nil {
			return err
		}
		_, err = pgstore.Migrate(ctx, cfg, book.Demo())
		return err
	})
	cfg, err := pgstore.ParseURL(url, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := pgstore.Seed(t.Context(), cfg, n); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// openDesk is what a person's commands use: each statement is sent whole.
func openDesk(t *testing.T, cfg *pgx.ConnConfig) *pgdesk.Desk {
	t.Helper()
	d, err := pgdesk.Open(t.Context(), pgstore.Unprepared(cfg), demoBook())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func openStore(t *testing.T, cfg *pgx.ConnConfig, strategy string) (*pgstore.Store, uuid.UUID) {
	t.Helper()
	id := uuid.New()
	s, err := pgstore.Open(t.Context(), pgstore.Config{
		Conn: cfg, Book: book.Demo(), RunID: id, Strategy: strategy, LongestRequest: time.Second, Row: true,
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

func query[T any](t *testing.T, cfg *pgx.ConnConfig, statement string, args ...any) (v T) {
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

func execute(t *testing.T, cfg *pgx.ConnConfig, statement string) {
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

func ledger(t *testing.T, cfg *pgx.ConnConfig) string {
	t.Helper()
	return query[string](t, cfg, `select string_agg(invoice_id || ':' || state, ' ' order by invoice_id) from billonce.deliveries`)
}

// leaveSending leaves deliveries `sending`, as a sender does that has died.
func leaveSending(t *testing.T, cfg *pgx.ConnConfig, ids ...billing.InvoiceID) {
	t.Helper()
	dead, _ := openStore(t, cfg, "advisory")
	seen, err := dead.Look(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	var intents []billing.Intent
	for _, inv := range seen {
		intents = append(intents, newIntent(inv.ID, inv.Row))
	}
	if _, err := dead.Commit(t.Context(), intents, nil); err != nil {
		t.Fatal(err)
	}
}

func newIntent(id billing.InvoiceID, body []byte) billing.Intent {
	hash := sha256.Sum256(body)
	return billing.Intent{InvoiceID: id, Attempt: 1, RunAttempt: 1, Key: uuid.NewString(), BodySHA256: hash[:], DeadlineIn: time.Minute}
}

func sending(t *testing.T, s *pgstore.Store, ids ...billing.InvoiceID) {
	t.Helper()
	intents := make([]billing.Intent, len(ids))
	for i, id := range ids {
		intents[i] = newIntent(id, []byte(id))
	}
	c, err := s.Commit(t.Context(), intents, nil)
	if err != nil || len(c.Begun) != len(ids) {
		t.Fatalf("intend: %v, %v", c.Begun, err)
	}
}

func sent(run uuid.UUID, id billing.InvoiceID) billing.Settlement {
	return billing.Settlement{InvoiceID: id, RunID: run, Attempt: 1, RunAttempt: 1, State: billing.Sent, Status: 200}
}

func settle(t *testing.T, s engine.Ledger, group ...billing.Settlement) []billing.Settled {
	t.Helper()
	c, err := s.Commit(t.Context(), nil, group)
	if err != nil {
		t.Fatal(err)
	}
	return c.Ended
}

// settledAs leaves these invoices' first attempts in a state, and their sender.
func settledAs(t *testing.T, cfg *pgx.ConnConfig, state billing.State, ids ...billing.InvoiceID) (*pgstore.Store, uuid.UUID) {
	t.Helper()
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, ids...)
	for _, id := range ids {
		settle(t, s, billing.Settlement{
			InvoiceID: id, RunID: run, Attempt: 1, RunAttempt: 1, State: state,
			Doubtful: state == billing.InDoubt, Status: 500, Reason: "seen: HTTP 500",
		})
	}
	return s, run
}

func inDoubt(t *testing.T, cfg *pgx.ConnConfig, ids ...billing.InvoiceID) (*pgstore.Store, uuid.UUID) {
	t.Helper()
	return settledAs(t, cfg, billing.InDoubt, ids...)
}

// api counts, in the process, what it is asked.
type api struct {
	mu       sync.Mutex
	requests map[billing.InvoiceID]int
	keys     map[string]billing.InvoiceID
	reply    func() billing.Reply                            // nil: accepted
	answer   func(id billing.InvoiceID, n int) billing.Reply // to the nth request for an invoice; nil: reply
}

func (a *api) LookUp(context.Context, billing.Request) billing.Found {
	return billing.Found{Reason: "nobody looks"}
}

func (a *api) Send(_ context.Context, m billing.Request, permit func() error) billing.Reply {
	if err := permit(); err != nil {
		return billing.Reply{NotAsked: true, Outcome: billing.NotSent, Reason: err.Error()}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.requests == nil {
		a.requests, a.keys = map[billing.InvoiceID]int{}, map[string]billing.InvoiceID{}
	}
	a.requests[m.InvoiceID]++
	a.keys[m.IdempotencyKey] = m.InvoiceID
	if a.answer != nil {
		return a.answer(m.InvoiceID, a.requests[m.InvoiceID])
	}
	if a.reply != nil {
		return a.reply()
	}
	return billing.Reply{Outcome: billing.Accepted, Status: 200}
}

func (a *api) Render(inv billing.Invoice) (billing.Request, error) {
	request, lookup := billing.RequestHash("", "", nil, inv.Row), billing.LookUpHash("", nil)
	return billing.Request{Body: inv.Row, SHA256: request[:], LookupSHA256: lookup[:]}, nil
}

// runner is a run that has not begun.
type runner struct {
	cfg   engine.Config
	ports engine.Ports
	log   zerolog.Logger
}

func (r *runner) Run(ctx context.Context, lock engine.RunLock) billing.Summary {
	r.ports.RunLock = lock
	return engine.New(r.cfg, r.ports, &billing.Tally{}, r.log).Do(ctx)
}

func newRunner(t *testing.T, cfg *pgx.ConnConfig, a *api, idempotent bool) *runner {
	t.Helper()
	store, id := openStore(t, cfg, "advisory")
	ledger, err := store.LedgerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &runner{
		cfg: engine.Config{
			RunID: id, LedgerID: ledger, Claims: pgstore.Claims, MostClaims: pgstore.MostClaims, ClaimSize: 100, Concurrency: 16,
			Idempotent: idempotent, Timeout: time.Second, MaxAttempts: 5, Breaker: 20, KeyTTL: 24 * time.Hour, Drain: time.Second, Linger: 5 * time.Second,
		},
		ports: engine.Ports{Scanner: store, NewClaimer: func() engine.Claimer { return store.NewClaimer() }, Ledger: store, Unmarked: store, Renderer: a, Sender: a, LookUp: a},
		log:   zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel),
	}
}
