package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/bcrypt"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
	"github.com/billonce/billonce/internal/web"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// ledger is a desk of values.
type ledger struct {
	status  desk.Status
	history desk.History
}

func (l ledger) Status(context.Context) (desk.Status, error)  { return l.status, nil }
func (l ledger) Nights(context.Context) ([]desk.Night, error) { return nil, nil }

func (l ledger) History(_ context.Context, id billing.InvoiceID) (desk.History, error) {
	h := l.history
	h.InvoiceID = id
	return h, nil
}

// users writes a file of names and passwords.
func users(t *testing.T, passwords map[string]string) string {
	t.Helper()
	var b strings.Builder
	for name, password := range passwords {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(name + ":" + string(hash) + "\n")
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// page is what is served under these settings.
func page(t *testing.T, s web.Settings, d web.Desk) http.Handler {
	t.Helper()
	if s.Addr == "" {
		s.Addr = "127.0.0.1:0"
	}
	c, faults := web.Parse(s)
	if faults = append(faults, c.Read()...); len(faults) > 0 {
		t.Fatal(faults)
	}
	h, err := web.Handler(t.Context(), c, web.Page{Book: "invoices", Desk: d, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask makes one request from an address.
func ask(h http.Handler, method, target string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "10.0.0.7:1234"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func quiet() ledger {
	return ledger{status: desk.Status{At: time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC), Deliveries: map[billing.State]int64{}}}
}
