package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

const signingKey = "s3cret"

// signed is an API that takes nothing without a signature over the body.
func signed(t *testing.T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte(signingKey))
		mac.Write(body)
		if err != nil || r.Header.Get("Signature") != hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("%s %s: signature %q (%v)", r.Method, r.URL, r.Header.Get("Signature"), err)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestSidecarRecipe(t *testing.T) {
	t.Parallel()
	api := billingfake.New(billingfake.Config{})
	t.Cleanup(api.Close)
	server := httptest.NewServer(signed(t, api))
	t.Cleanup(server.Close)
	recipe(t, "sidecar.md", map[string]string{"https://billing.example": server.URL, "127.0.0.1:8099": freeAddress(t)}).run()
	if sum := api.Summary(); sum.Effects != 4 || len(sum.Duplicates) != 0 {
		t.Errorf("%+v, want four effects", sum)
	}
}

// sidecar is the page's program, started anew whenever it ends, as a kubelet does.
type sidecar struct {
	address string
	mu      sync.Mutex
	cmd     *exec.Cmd
}

func startSidecar(t *testing.T, api string) *sidecar {
	page, err := os.ReadFile("../../docs/recipes/sidecar.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(page), "<<'GO'\n")
	program, _, _ = strings.Cut(program, "\nGO\n")
	source := filepath.Join(t.TempDir(), "sidecar.go")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := strings.TrimSuffix(source, ".go")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("build the page's sidecar: %v\n%s", err, text)
	}
	s := &sidecar{address: freeAddress(t)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, binary, s.address)
			cmd.Env = append(os.Environ(), "API="+api, "SIGNING_KEY="+signingKey)
			s.mu.Lock()
			s.cmd = cmd
			err := cmd.Start()
			s.mu.Unlock()
			if err == nil {
				_ = cmd.Wait()
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

func (s *sidecar) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.cmd.Process.Kill()
}

// P1: kill -9 of the sidecar or of the runner, with a request in hand, behind or before
// the API's act: no invoice is billed twice, and none is forgotten.
func TestP1SidecarIsKilled(t *testing.T) {
	t.Parallel()
	b := newBook(t, 12, billingfake.Config{})
	var side atomic.Pointer[sidecar]
	var runner atomic.Pointer[proc]
	var mu sync.Mutex
	requests := map[string]int{}
	server := httptest.NewServer(signed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		invoice, isSend := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/invoices/"), "/send")
		mu.Lock()
		if isSend {
			requests[invoice]++
		}
		first := isSend && requests[invoice] == 1
		mu.Unlock()
		killSide := func() { side.Load().kill() }
		kill := map[string]func(){"3": killSide, "5": func() { _ = runner.Load().cmd.Process.Kill() }, "7": killSide}[invoice]
		if !first || kill == nil {
			b.api.ServeHTTP(w, r)
			return
		}
		if invoice != "7" { // before it could act
			b.api.ServeHTTP(httptest.NewRecorder(), r)
		}
		kill()
		<-r.Context().Done()
	})))
	t.Cleanup(server.Close)
	s := startSidecar(t, server.URL)
	side.Store(s)
	env := []string{
		"BILLING_URL=http://" + s.address + "/v1/invoices/{id}/send", "BILLING_LOOKUP_URL=http://" + s.address + "/v1/invoices/{id}",
		"BILLING_TIMEOUT=2s", "BILLING_LOOKUP_AFTER=1s", "LINGER=30s", "CONCURRENCY=2",
	}
	started := b.start(env...)
	runner.Store(started)
	started.wantExit(-1)
	b.start(env...).wantExit(0)
	b.wantStates("sent/false=12")
	if sum := b.api.Summary(); sum.Effects != 12 || len(sum.Duplicates) != 0 {
		t.Errorf("%+v, want twelve effects", sum)
	}
	mu.Lock()
	defer mu.Unlock()
	if requests["3"] != 1 || requests["5"] != 1 || requests["7"] != 2 {
		t.Errorf("%v, want one request for 3 and 5, which the API acted on, and a second one for 7", requests)
	}
}
