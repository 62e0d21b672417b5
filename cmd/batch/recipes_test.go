package main

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"billonce/internal/billing/billingfake"
	"billonce/internal/pgtemp/pgtest"
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
	var recovering atomic.Bool // no request is lost any more, however late the runner was killed
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
		case "/v1/invoices/R-4", "/v1/invoices/R-5":
			recovering.Store(true)
		case "/v1/invoices/R-5/send":
			if !recovering.Load() {
				_, _ = io.Copy(io.Discard, r.Body) // until then nobody sees the sender go
				<-r.Context().Done()
				return
			}
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	d := recipe(t, "lookup.md", map[string]string{"https://billing.example": server.URL, "BILLING_TIMEOUT=10s": "BILLING_TIMEOUT=3s"})
	d.run()
	sum := api.Summary()
	if sum.Effects != 5 || len(sum.Duplicates) != 0 || sum.Lookups != 4 {
		t.Errorf("%+v, want five effects and four look-ups", sum)
	}
}
