package pgstore_test

import (
	"context"
	"fmt"
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

// newDB is a database with the demo's table and its ledger.
func newDB(t testing.TB) *pgx.ConnConfig {
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
	return cfg
}

// api counts, in the process, what it is asked.
type api struct {
	mu       sync.Mutex
	requests map[billing.InvoiceID]int
	keys     map[string]billing.InvoiceID
	acted    map[billing.InvoiceID]bool                   // accepted, as finding says of itself
	reply    func(m billing.Request, n int) billing.Reply // n: the nth request for this invoice
	finding  map[billing.InvoiceID]billing.Finding
	look     func(m billing.Request) billing.Found // instead of finding
}

func (a *api) LookUp(_ context.Context, m billing.Request) billing.Found {
	if a.look != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.look(m)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.InvoiceID == control || a.acted[m.InvoiceID] {
		return billing.Found{Finding: billing.Acted, Told: true}
	}
	return billing.Found{Finding: a.finding[m.InvoiceID], Reason: "as the test wants it"}
}

// control is an invoice that the API has accepted, in an earlier run.
const control billing.InvoiceID = "1000"

// believed makes it so that a run's look-up is believed: an earlier run has tested it,
// and left a control.
func believed(t *testing.T, cfg *pgx.ConnConfig) {
	t.Helper()
	lookup := billing.LookUpHash("", nil)
	execute(t, cfg, fmt.Sprintf(`insert into invoices (id, customer, amount_cents, currency, due_date, pending) overriding system value
			values (%[1]s, 'c', 1, 'EUR', '2026-01-01', false);
		insert into billonce.deliveries (invoice_id, state, attempt, run_attempt, idempotency_key, run_id, first_sent_at, updated_at, deadline_at)
			values (%[1]s, 'sent', 1, 1, gen_random_uuid(), gen_random_uuid(), now(), now(), now());
		insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, program, finished_at, exit_code, summary, lookup_test, lookup_controls)
			values (gen_random_uuid(), 'demo', 'advisory', 'exclusive', 'test', 'test', 4, now(), 0, '{}', '{"settings": "", "held": true}',
				'[{"id": "%[1]s", "lookup": "%[2]x", "at": "2026-01-01"}]')`, control, lookup))
}

func (a *api) Send(_ context.Context, m billing.Request, permit func() error) billing.Reply {
	if err := permit(); err != nil {
		return billing.Reply{NotAsked: true, Outcome: billing.NotSent, Reason: err.Error()}
	}
	a.mu.Lock()
	if a.requests == nil {
		a.requests = map[billing.InvoiceID]int{}
		a.keys = map[string]billing.InvoiceID{}
		a.acted = map[billing.InvoiceID]bool{}
	}
	a.requests[m.InvoiceID]++
	a.keys[m.IdempotencyKey] = m.InvoiceID
	n := a.requests[m.InvoiceID]
	a.mu.Unlock()
	if a.reply != nil {
		return a.reply(m, n)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.acted[m.InvoiceID] = true
	return billing.Reply{Outcome: billing.Accepted, Status: 200}
}

func (a *api) Render(inv billing.Invoice) (billing.Request, error) {
	request, lookup := billing.RequestHash("", "", nil, inv.Row), billing.LookUpHash("", nil)
	return billing.Request{Body: inv.Row, SHA256: request[:], LookupSHA256: lookup[:]}, nil
}

func (a *api) RenderLookUp(inv billing.Invoice) (billing.Request, error) {
	lookup := billing.LookUpHash("", nil)
	return billing.Request{InvoiceID: inv.ID, LookupSHA256: lookup[:]}, nil
}

// runner is a run that can still be changed.
type runner struct {
	engine.Config
	engine.Ports
	Log   zerolog.Logger
	Tally billing.Tally
}

func (r *runner) Run(ctx context.Context, lock engine.RunLock) billing.Summary {
	r.RunLock = lock
	return engine.New(r.Config, r.Ports, &r.Tally, r.Log).Do(ctx)
}

// intend commits intents, and returns which of them are the store's own.
func intend(ctx context.Context, l engine.Ledger, intents []billing.Intent, deadline time.Duration) (map[billing.InvoiceID]struct{}, error) {
	for i := range intents {
		intents[i].DeadlineIn = deadline
	}
	c, err := l.Commit(ctx, intents, nil)
	return c.Begun, err
}

// settling settles: a claim's own way, or the ledger's.
type settling func(context.Context, []billing.Settlement) ([]billing.Settled, error)

func settlingOf(l engine.Ledger) settling {
	return func(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
		c, err := l.Commit(ctx, nil, group)
		return c.Ended, err
	}
}

func newRunner(t testing.TB, cfg *pgx.ConnConfig, a *api, strategy string, change func(*engine.Config)) *runner {
	t.Helper()
	return newBookRunner(t, cfg, book.Demo(), a, strategy, change)
}

func newBookRunner(t testing.TB, cfg *pgx.ConnConfig, b book.Book, a *api, strategy string, change func(*engine.Config)) *runner {
	t.Helper()
	return newStoreRunner(t, pgstore.Config{Conn: cfg, Book: b, Strategy: strategy}, a, change)
}

func newStoreRunner(t testing.TB, cfg pgstore.Config, a *api, change func(*engine.Config)) *runner {
	t.Helper()
	id, strategy := uuid.New(), cfg.Strategy
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel)
	cfg.RunID, cfg.LongestRequest, cfg.Row, cfg.Log = id, time.Second, true, log
	store, err := pgstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ledger, err := store.LedgerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := engine.Config{
		RunID: id, LedgerID: ledger, Claims: pgstore.Claims, MostClaims: pgstore.MostClaims, ClaimSize: 100, Concurrency: 16, SettlesLate: strategy == "row",
		Timeout: time.Second, MaxAttempts: 5, Breaker: 20, KeyTTL: 24 * time.Hour, Drain: time.Second, Linger: 5 * time.Second,
	}
	if change != nil {
		change(&c)
	}
	return &runner{
		Config: c,
		Ports: engine.Ports{
			Scanner: store, NewClaimer: func() engine.Claimer { return store.NewClaimer() }, Ledger: store, Unmarked: store,
			Renderer: a, Sender: a, LookUp: a, Tests: store, Submitted: store, LookUps: a,
		},
		Log: log,
	}
}

// resolve writes a person's decision.
func resolve(t *testing.T, cfg *pgx.ConnConfig, id billing.InvoiceID, to billing.State) {
	t.Helper()
	person, err := pgdesk.Open(t.Context(), cfg, pgstore.DeskBook{Book: book.Demo()})
	if err != nil {
		t.Fatal(err)
	}
	defer person.Close(context.Background())
	seen, err := person.Deliveries(t.Context(), []billing.InvoiceID{id})
	if err != nil {
		t.Fatal(err)
	}
	r := billing.Resolution{To: to, By: "ada@desk", Reason: "I looked"}
	if came, err := person.Resolve(t.Context(), seen[0], r, billing.Ruling{To: to, ClearsDoubt: true}); err != nil || came != billing.ResolvedFully {
		t.Fatal(came, err)
	}
}
