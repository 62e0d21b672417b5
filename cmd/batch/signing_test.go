package main

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Each attempt is signed anew; id and body are those of the first, in another run too.
func TestSignedRequests(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		secret := base64.StdEncoding.EncodeToString([]byte("signing-key-of-24-bytes!"))
		receiver, err := webhooks.NewWebhook("whsec_" + secret)
		if err != nil {
			t.Fatal(err)
		}
		api := newServer(t, func(w http.ResponseWriter, a asked, n int) {
			if err := receiver.Verify([]byte(a.body), a.header); err != nil {
				t.Errorf("request %d: %v", n, err)
			}
			if n < 3 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		s := newShop(t, `create table invoices (id int primary key, pending bool default true, sent_at timestamptz); insert into invoices values (7)`,
			strategy, "BILLING_URL="+api.URL+"/{id}", "BILLING_IDEMPOTENT=true", "BILLING_MAX_ATTEMPTS=2", "LINGER=60s", "LOG_LEVEL=trace")
		path := file(t, []byte("whsec_"+secret+"\n"))
		s.set("BILLING_SIGNING_SECRET_FILE=" + path)
		s.batch(0, "migrate")
		dry, said := s.batch(0, "run", "--dry-run")
		if !strings.Contains(dry, "\nWebhook-Signature: v1,***\n") {
			t.Errorf("it does not show that it signs:\n%s", dry)
		}
		_, first := s.batch(4, "run")
		_, second := s.batch(0, "run")
		if strings.Contains(dry+said+first+second, secret[:8]) {
			t.Error("it shows the secret")
		}
		ids, bodies := map[string]bool{}, map[string]bool{}
		for _, a := range api.asked() {
			ids[a.header.Get("Webhook-Id")+a.header.Get("Idempotency-Key")] = true
			bodies[a.body] = true
		}
		if len(api.asked()) != 3 || len(ids) != 1 || len(bodies) != 1 {
			t.Errorf("%d requests, ids %q, bodies %q", len(api.asked()), slices.Collect(maps.Keys(ids)), slices.Collect(maps.Keys(bodies)))
		}
		for id := range ids {
			s.wants("select idempotency_key::text || idempotency_key from billonce.deliveries", id)
		}
		for body := range bodies {
			s.wants("select bool_and(body_sha256 = sha256('"+body+"'))::text from billonce.history", "true")
		}
	})
}
