package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/billonce/billonce/internal/billing/billingfake"
	pages "github.com/billonce/billonce/internal/document"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

const databaseInPages = "postgres://billonce@db.example/app?sslmode=verify-full"

// recipe is a page of docs/recipes, on a database of the test's own.
func recipe(t *testing.T, name string, replace map[string]string, env ...string) document {
	t.Helper()
	url := pgtest.DB(t, "empty", nil)
	replace[databaseInPages] = url
	return document{t: t, path: filepath.Join("../../docs/recipes", name), url: url, replace: replace, env: env}
}

// stripe-mock checks each request against Stripe's own description of its API, and
// answers 400 to what is not in it.
func TestStripeRecipe(t *testing.T) {
	t.Parallel()
	mock, err := url.Parse(startStripeMock(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(mock)
	var refused atomic.Int64
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.StatusCode != http.StatusOK {
			refused.Add(1)
		}
		return nil
	}
	stripe := newServer(t, func(w http.ResponseWriter, a asked, _ int) {
		r := httptest.NewRequest(a.method, a.uri, strings.NewReader(a.body))
		r.Header = a.header
		proxy.ServeHTTP(w, r)
	})
	d := recipe(t, "stripe.md", map[string]string{"https://api.stripe.com": stripe.URL}, "STRIPE_API_KEY=sk_test_123")
	d.run()
	if refused.Load() > 0 {
		t.Errorf("stripe-mock refused %d requests", refused.Load())
	}
	keys := map[string]string{}
	uris := map[string]int{}
	for _, a := range stripe.asked() {
		uris[a.uri]++
		key := a.header.Get("Idempotency-Key")
		if other, used := keys[key]; key == "" || used {
			t.Errorf("key %q of %s is that of %q, too", key, a.uri, other)
		}
		keys[key] = a.uri
		if got := a.header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
			t.Errorf("%s: Content-Type %q", a.uri, got)
		}
	}
	for _, uri := range []string{"/v1/invoices/in_1/finalize", "/v1/invoices/in_2/finalize", "/v1/invoices/in_1/send", "/v1/invoices/in_2/send"} {
		if uris[uri] != 1 {
			t.Errorf("%d requests %s", uris[uri], uri)
		}
	}
}

func startStripeMock(t *testing.T) (url string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "stripe-mock")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-C", "testdata/stripe-mock", "-o", program, "github.com/stripe/stripe-mock").CombinedOutput(); err != nil {
		t.Fatalf("build stripe-mock: %v\n%s", err, text)
	}
	mock := exec.CommandContext(t.Context(), program, "-http-addr", "127.0.0.1:", "-https-addr", "127.0.0.1:")
	out, err := mock.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = mock.Process.Kill()
		_ = mock.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, found := strings.CutPrefix(lines.Text(), "Listening for HTTP at address: "); found {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return "http://" + address
		}
	}
	t.Fatalf("stripe-mock does not say where it listens: %v", lines.Err())
	return ""
}

// The receiver verifies by the scheme's own library, and keeps the ids that it has
// seen, as the page tells it to.
func TestWebhookRecipe(t *testing.T) {
	t.Parallel()
	const secret = "whsec_c2lnbmluZy1rZXktb2YtMjQtYnl0ZXMh"
	verifier, err := webhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	receiver := newServer(t, func(w http.ResponseWriter, a asked, n int) {
		switch err := verifier.Verify([]byte(a.body), a.header); {
		case err != nil:
			t.Errorf("%s: %v", a.body, err)
			w.WriteHeader(http.StatusUnauthorized)
		case n == 1: // it has acted, and its answer is lost
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	d := recipe(t, "webhook.md", map[string]string{"https://hooks.example": receiver.URL}, "WEBHOOK_SECRET="+secret)
	d.run()
	seen := map[string]int{} // requests by id and body
	for _, a := range receiver.asked() {
		seen[a.header.Get("Webhook-Id")+a.body]++
	}
	if len(seen) != 2 || len(receiver.asked()) != 3 {
		t.Errorf("%d requests of %d messages, want 3 of 2", len(receiver.asked()), len(seen))
	}
}

// The API acts and its answer is lost, or it is lost before the API acts: without
// keys both look the same, and the look-up tells them apart. So it is with R-4, on
// which the API has acted as its runner is killed, and R-5, which has not reached it.
func TestLookUpRecipe(t *testing.T) {
	t.Parallel()
	var begun, recovering atomic.Bool // no request is lost any more, however late the runner was killed
	api := billingfake.New(billingfake.Config{Fault: func(r billingfake.Received) billingfake.Fault {
		switch {
		case r.Attempt == 1 && r.Invoice == "R-1":
			return billingfake.ApplyThenReset{}
		case r.Attempt == 1 && r.Invoice == "R-2":
			return billingfake.ResetBeforeApply{}
		case r.Invoice == "R-4" && !recovering.Load():
			return billingfake.ApplyThenHang{}
		}
		return nil
	}})
	t.Cleanup(api.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/invoices/R-4", "/v1/invoices/R-5": // first as what was never sent
			recovering.Store(begun.Load())
		case "/v1/invoices/R-5/send":
			begun.Store(true)
			if !recovering.Load() {
				_, _ = io.Copy(io.Discard, r.Body) // until then nobody sees the sender go
				<-r.Context().Done()
				return
			}
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	d := recipe(t, "lookup.md", map[string]string{"https://billing.example": server.URL, "BILLING_TIMEOUT=10s": "BILLING_TIMEOUT=3s BILLING_LOOKUP_AFTER=1s"})
	d.run()
	sum := api.Summary()
	if sum.Effects != 5 || len(sum.Duplicates) != 0 || sum.Lookups < 4 {
		t.Errorf("%+v, want five effects, and look-ups", sum)
	}
}

// rehearsed is a page that rehearses against batch fake-api, on a copy of its table.
func rehearsed(t *testing.T, name string, replace map[string]string, env ...string) document {
	t.Helper()
	copied := pgtest.DB(t, "empty", nil)
	d := recipe(t, name, replace, append(env, "REHEARSAL_DATABASE_URL="+copied)...)
	page, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), copied)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, b := range pages.Blocks(string(page)) {
		if b.Language != "sql" {
			continue
		}
		if err := conn.PgConn().Exec(t.Context(), b.Text).Close(); err != nil {
			t.Fatalf("%s:%d: %v", d.path, b.Line, err)
		}
	}
	return d
}

// APIs that take keys, each in its own way. The first request about the first invoice
// times out once it has taken effect, that about the second one loses its answer: both
// are repeated under their keys, and each invoice is billed once.
func TestRecipesWithKeys(t *testing.T) {
	t.Parallel()
	part := func(path string, n int) string { return strings.Split(path, "/")[n] }
	for _, c := range []struct {
		page, dialect, base, token string
		reply                      string
		whose                      func(path string, body []byte) string // the invoice of a request
		invoices                   []string
		headers                    map[string]map[string]string // by invoice
	}{
		{
			page: "stripe-connect.md", dialect: "stripe", base: "https://api.stripe.com", token: "STRIPE_API_KEY",
			whose:    func(path string, _ []byte) string { return part(path, 3) },
			invoices: []string{"in_1", "in_2", "in_3", "in_4"},
			headers: map[string]map[string]string{
				"in_1": {"Stripe-Account": "acct_1", "Authorization": "Bearer s3cret"}, "in_2": {"Stripe-Account": "acct_1"},
				"in_3": {"Stripe-Account": "acct_2"}, "in_4": {"Stripe-Account": "acct_2"},
			},
		},
		{
			page: "paypal.md", dialect: "paypal", base: "https://api-m.paypal.com", token: "PAYPAL_ACCESS_TOKEN",
			reply:    `{"id": "8F1", "status": "COMPLETED"}`,
			whose:    func(path string, _ []byte) string { return part(path, 4) },
			invoices: []string{"0VF1", "0VF2", "0VF3", "0VF4"},
			headers:  map[string]map[string]string{"0VF1": {"Authorization": "Bearer s3cret"}},
		},
		{
			page: "square.md", dialect: "square", base: "https://connect.squareup.com", token: "SQUARE_ACCESS_TOKEN",
			reply: `{"payment": {"id": "P1", "status": "COMPLETED"}}`,
			whose: func(_ string, body []byte) string {
				var payment struct {
					Reference string `json:"reference_id"`
				}
				_ = json.Unmarshal(body, &payment) // what is no JSON is nobody's invoice
				return payment.Reference
			},
			invoices: []string{"1", "2", "3", "4"},
		},
	} {
		t.Run(c.page, func(t *testing.T) {
			t.Parallel()
			dialect, err := billingfake.ParseDialect(c.dialect)
			if err != nil {
				t.Fatal(err)
			}
			peer := billingfake.Config{Dialect: dialect, Fault: func(r billingfake.Received) billingfake.Fault {
				switch {
				case r.Attempt == 1 && r.Invoice == c.invoices[0]:
					return billingfake.ApplyThenHang{}
				case r.Attempt == 1 && r.Invoice == c.invoices[1]:
					return billingfake.ApplyThenReset{}
				}
				return nil
			}}
			if c.reply != "" {
				peer.Body = []byte(c.reply)
			}
			api := billingfake.New(peer)
			t.Cleanup(api.Close)
			var mu sync.Mutex
			headers := map[string]http.Header{}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				invoice := c.whose(r.URL.Path, body)
				mu.Lock()
				headers[invoice] = r.Header.Clone()
				mu.Unlock()
				r.URL.Path, r.URL.RawPath = "/v1/invoices/"+invoice+"/send", "" // where the fake has it
				api.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			rehearsed(t, c.page, map[string]string{c.base: server.URL, "BILLING_TIMEOUT=30s": "BILLING_TIMEOUT=2s"}, c.token+"=s3cret").run()

			sum := api.Summary()
			if sum.Effects != 4 || len(sum.Duplicates) != 0 || sum.Replays != 2 || sum.BadKeys+sum.Mismatches != 0 {
				t.Errorf("%+v, want four effects, and two repeats that are recognised", sum)
			}
			keys := map[string]bool{}
			for _, id := range c.invoices {
				r := api.Invoice(id)
				if len(r.Keys) != 1 || len(r.Bodies) != 1 || keys[r.Keys[0]] {
					t.Errorf("%+v, want one key of its own, and one body", r)
					continue
				}
				keys[r.Keys[0]] = true
				for name, want := range c.headers[id] {
					if got := headers[id].Get(name); got != want {
						t.Errorf("%s: %s %q, want %q", id, name, got, want)
					}
				}
			}
		})
	}
}

// One token, got with the secret in a file, serves the run.
func TestCredentialsRecipe(t *testing.T) {
	t.Parallel()
	tokens := billingfake.NewTokens(billingfake.Client{ID: "billonce", Secret: "s3cret", Life: time.Hour}, nil)
	api := billingfake.New(billingfake.Config{Tokens: tokens})
	t.Cleanup(api.Close)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	recipe(t, "credentials.md", map[string]string{"https://billing.example": server.URL}, "SECRET_FILE="+file).run()
	if n := tokens.Counts(); api.Effects() != 3 || n.Issued != 1 || n.Unauthorized != 0 {
		t.Errorf("%d effects, %+v", api.Effects(), n)
	}
}

// Without keys: a request whose answer is lost is searched for, and is sent again only
// where nothing was found.
func TestSearchLookUpRecipe(t *testing.T) {
	t.Parallel()
	api := billingfake.New(billingfake.Config{Lookup: billingfake.LookupSearch, Fault: func(r billingfake.Received) billingfake.Fault {
		switch {
		case r.Attempt == 1 && r.Invoice == "R-1":
			return billingfake.ApplyThenHang{}
		case r.Attempt == 1 && r.Invoice == "R-2":
			return billingfake.ResetBeforeApply{}
		}
		return nil
	}})
	t.Cleanup(api.Close)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	rehearsed(t, "search-lookup.md", map[string]string{"https://billing.example": server.URL, "BILLING_TIMEOUT=10s": "BILLING_TIMEOUT=3s BILLING_LOOKUP_AFTER=1s"}).run()
	sum := api.Summary()
	if sum.Effects != 6 || len(sum.Duplicates) != 0 || sum.Lookups < 2 {
		t.Errorf("%+v, want six effects, and look-ups", sum)
	}
	if once, again := api.Invoice("R-1").Requests, api.Invoice("R-2").Requests; once != 1 || again != 2 {
		t.Errorf("R-1 was sent %d times and R-2 %d times, want once and twice", once, again)
	}
}
