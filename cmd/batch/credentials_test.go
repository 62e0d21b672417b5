package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// The API changes the token in the middle of a run, with requests in flight: the run reads
// the file again, or gets another token, and sends all of them, whatever
// BILLING_MAX_ATTEMPTS and the breaker say. Nothing holds a secret.
func TestTokenChangesWithinARun(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"file", "oauth"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "secret")
			write := func(text string) {
				if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
					t.Error(err)
				}
			}
			tokens := billingfake.NewTokens(billingfake.Client{ID: "me", Secret: "s3cr3t-client", Life: time.Hour}, nil)
			var once sync.Once
			api := billingfake.New(billingfake.Config{Tokens: tokens, After: func(r billingfake.Received) {
				if r.Invoice != "20" {
					return
				}
				once.Do(func() {
					tokens.Revoke()
					if way == "file" {
						write("s3cr3t-second")
						tokens.Accept("s3cr3t-second")
						return
					}
					write("s3cr3t-changed")
					tokens.Rotate("s3cr3t-changed")
				})
			}})
			t.Cleanup(api.Close)
			server := httptest.NewServer(api)
			t.Cleanup(server.Close)
			s := newShop(t, `create table invoices (id int primary key, pending bool default true, sent_at timestamptz);
				insert into invoices select generate_series(1, 60)`,
				"BILLING_URL="+server.URL+"/v1/invoices/{id}/send", "BILLING_MAX_ATTEMPTS=1", "BILLING_BREAKER=2", "CONCURRENCY=8", "LOG_LEVEL=debug")
			if way == "file" {
				write("s3cr3t-first")
				tokens.Accept("s3cr3t-first")
				s.set("BILLING_TOKEN_FILE=" + file)
			} else {
				write("s3cr3t-client")
				s.set("BILLING_OAUTH_TOKEN_URL="+server.URL+"/oauth/token", "BILLING_OAUTH_CLIENT_ID=me", "BILLING_OAUTH_CLIENT_SECRET_FILE="+file)
			}
			s.batch(0, "migrate")
			out, said := s.batch(0, "run")
			if n := tokens.Counts(); api.Effects() != 60 || n.Unauthorized == 0 || way == "oauth" && n.Issued != 2 {
				t.Errorf("%d effects, %+v:\n%s", api.Effects(), n, said)
			}
			kept := s.ask("select string_agg(d::text, ' ') || coalesce((select string_agg(h::text, ' ') from billonce.history h), '') || (select string_agg(r::text, ' ') from billonce.runs r) from billonce.deliveries d")
			for _, secret := range append(tokens.Valid(), "s3cr3t") {
				if strings.Contains(out+said+kept, secret) {
					t.Errorf("%s is shown", secret)
				}
			}
		})
	}
}
