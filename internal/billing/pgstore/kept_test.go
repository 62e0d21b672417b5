package pgstore_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// books is an API that honours keys, strictly: another body under an old key is a 422.
type books struct {
	mu     sync.Mutex
	bodies map[string]string
	down   bool // it acts, and answers 503
	other  int  // requests under an old key that were others
}

func (b *books) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	key, now := r.Header.Get("Idempotency-Key"), r.URL.Path+" "+string(body)
	if was, ok := b.bodies[key]; ok && was != now {
		b.other++
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	b.bodies[key] = now
	if b.down {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// keeping is a book at such an API.
type keeping struct {
	t        *testing.T
	cfg      *pgx.ConnConfig
	api      *books
	url      string
	strategy string
}

func newKeeping(t *testing.T, strategy string, n int) keeping {
	t.Helper()
	b := &books{bodies: map[string]string{}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	return keeping{t, seeded(t, n), b, server.URL, strategy}
}

// night is a run with the real client; what it logs is returned.
func (k keeping) night(settings billinghttp.Config) (billing.Summary, string) {
	t := k.t
	t.Helper()
	settings.URL, settings.Timeout, settings.Idempotent, settings.Concurrency = k.url+settings.URL, time.Second, true, 16
	client, err := billinghttp.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var log bytes.Buffer
	r := newRunner(t, k.cfg, &api{}, k.strategy, func(c *engine.Config) {
		c.Idempotent, c.MaxAttempts, c.Linger, c.Breaker = true, 1, 0, 1000
	})
	store, err := pgstore.Open(t.Context(), pgstore.Config{
		Conn: k.cfg, Book: book.Demo(), RunID: r.RunID, Strategy: k.strategy, LongestRequest: time.Second,
		Row: client.NeedsRow(), Columns: client.Columns(), Log: r.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close(t.Context())
	r.Scanner, r.NewClaimer, r.Ledger = store, func() engine.Claimer { return store.NewClaimer() }, store
	r.Renderer, r.Keeper, r.Kept, r.Sender = client, client, store, client
	r.Log = zerolog.New(zerolog.SyncWriter(&log))
	summary := r.Run(t.Context(), nil)
	execute(t, k.cfg, "update billonce.deliveries set due_at = now() where state = 'retry'")
	return summary, log.String()
}

// P9: a night of 503s comes to no doubt because a deploy added a column, or something
// touched the rows: each request is repeated as it was, and who has changed is named.
func TestP9ATouchedRowIsNoDoubt(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		for name, settings := range map[string]billinghttp.Config{
			"row":      {URL: "/{id}", Body: "row"},
			"template": {URL: "/{customer}/{amount_cents}", Body: `{"a":{{.amount_cents}},"c":{{json .customer}}}`},
			"none":     {URL: "/{customer}/{amount_cents}", Body: "none"},
		} {
			t.Run(strategy+"/"+name, func(t *testing.T) {
				t.Parallel()
				k := newKeeping(t, strategy, 3)
				k.api.down = true
				for range 2 {
					k.night(settings)
				}
				const kept = "select count(*)::int from billonce.kept"
				if got := query[int](t, k.cfg, kept); got != 3 {
					t.Fatalf("%s; of %d rows something is kept", ledger(t, k.cfg), got)
				}
				k.api.down = false
				execute(t, k.cfg, `alter table invoices add updated_at timestamptz default now();
					update invoices set amount_cents = amount_cents + 1 where id = 2`)
				summary, log := k.night(settings)
				if got := ledger(t, k.cfg); got != "1:sent 2:sent 3:sent" || summary.Sent != 3 || k.api.other > 0 {
					t.Errorf("%s, %+v, %d other requests under an old key", got, summary, k.api.other)
				}
				if !strings.Contains(log, `"invoice_id":"2","message":"the invoice has changed since`) {
					t.Errorf("nobody says that invoice 2 has changed:\n%s", log)
				}
				if name != "row" && strings.Contains(log, `"invoice_id":"3","message":"the invoice has changed`) {
					t.Errorf("what has not changed is said to have:\n%s", log)
				}
				if got := query[int](t, k.cfg, kept); got != 0 {
					t.Errorf("%d rows are kept though all is decided", got)
				}
			})
		}
	}
}

// P9: what is kept serves the same request alone: under another setting it is doubt.
// Whoever decides, a person or an older program, drops it.
func TestP9KeptIsNoExcuse(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, "advisory", 4)
	k.api.down = true
	k.night(billinghttp.Config{URL: "/{id}", Body: "row"})
	k.api.down = false
	execute(t, k.cfg, `update invoices set amount_cents = amount_cents + 1 where id < 3;
		update billonce.deliveries set state = 'sent', due_at = null where invoice_id = 4`)
	k.night(billinghttp.Config{URL: "/{id}/v2", Body: "row"})
	if got := ledger(t, k.cfg); got != "1:in_doubt 2:in_doubt 3:in_doubt 4:sent" || k.api.other > 0 {
		t.Errorf("%s, %d other requests under an old key", got, k.api.other)
	}
	execute(t, k.cfg, "update billonce.deliveries set deadline_at = now() - interval '1 s'")
	resolve(t, k.cfg, "1", billing.Retry)
	resolve(t, k.cfg, "2", billing.Cancelled)
	if got := query[string](t, k.cfg, "select string_agg(invoice_id::text, ' ') from billonce.kept"); got != "3" {
		t.Errorf("kept of %s, want of 3 alone", got)
	}
}
