package billinghttp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/billonce/billonce/internal/billing"
)

const signingSecret = "whsec_c2lnbmluZy1rZXktb2YtMjQtYnl0ZXMh"

// A receiver verifies each request by the scheme's own library. A repeat carries
// the same id, so that the receiver knows it for one.
func TestSignatureIsVerifiedByTheSchemesOwnLibrary(t *testing.T) {
	receiver, err := webhooks.NewWebhook(signingSecret)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{"row": `{"id":7}`, "none": ""} {
		var ids []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			payload, err := io.ReadAll(r.Body)
			if err != nil || string(payload) != want {
				t.Errorf("body %q, %v", payload, err)
			}
			if err := receiver.Verify(payload, r.Header); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			if err := receiver.Verify(append(payload, ' '), r.Header); err == nil {
				t.Errorf("%s: another body passes, too", body)
			}
			ids = append(ids, r.Header.Get("webhook-id"))
		}))
		client := newClient(t, server.URL, func(c *Config) { c.Signing, c.Body = signingSecret, body })
		send(t, client)
		send(t, client)
		if len(ids) != 2 || ids[0] != key || ids[1] != key {
			t.Errorf("%s: ids %q, want %s twice", body, ids, key)
		}
		client.Close()
		server.Close()
	}
}

// Each attempt has a time of its own, and nothing else is new in it: an old signature
// would be refused as a replay.
func TestSignatureIsOfItsAttempt(t *testing.T) {
	s, err := newSigner(signingSecret)
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := webhooks.NewWebhook(signingSecret)
	if err != nil {
		t.Fatal(err)
	}
	m := billing.Request{IdempotencyKey: key, Body: []byte("{}")}
	first, second := http.Header{}, http.Header{}
	now := time.Now()
	s.sign(first, m, now.Add(-time.Hour))
	s.sign(second, m, now)
	if err := receiver.Verify(m.Body, first); err == nil {
		t.Error("an hour later its signature is still taken")
	}
	if err := receiver.Verify(m.Body, second); err != nil {
		t.Error(err)
	}
	if first.Get("Webhook-Id") != second.Get("Webhook-Id") || first.Get("Webhook-Signature") == second.Get("Webhook-Signature") {
		t.Errorf("%v, %v", first, second)
	}
}
