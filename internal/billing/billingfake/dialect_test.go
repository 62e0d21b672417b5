package billingfake

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// put sends a request with a header and a query, without a network.
func put(a *API, query, header, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", sendPath("7")+query, strings.NewReader(body))
	if header != "" {
		r.Header.Set(header, key)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// Each real API's dialect finds its key, replays it, refuses another body under
// it, and has no effect without it, whatever stands in another's header.
func TestDialects(t *testing.T) {
	for name, c := range map[string]struct {
		query, header, body, other string
		mismatch                   int
	}{
		"ietf":       {header: "Idempotency-Key", body: "{}", other: "{ }", mismatch: 422},
		"stripe":     {header: "Idempotency-Key", body: "{}", other: "{ }", mismatch: 400},
		"paypal":     {header: "PayPal-Request-Id", body: "{}", other: "{ }", mismatch: 422},
		"checkout":   {header: "Cko-Idempotency-Key", body: "{}", other: "{ }", mismatch: 422},
		"chargebee":  {header: "chargebee-idempotency-key", body: "a=1", other: "a=2", mismatch: 422},
		"amazonpay":  {header: "x-amz-pay-idempotency-key", body: "{}", other: "{ }", mismatch: 400},
		"square":     {body: `{"idempotency_key":"k"}`, other: `{"idempotency_key":"k", "a":1}`, mismatch: 400},
		"quickbooks": {query: "?requestid=k", body: "{}", other: "{ }", mismatch: 200},
	} {
		d, err := ParseDialect(name)
		if err != nil {
			t.Fatal(err)
		}
		a := New(Config{Dialect: d})
		wrong := "X-Idempotency-Key"
		if c.header != "Idempotency-Key" {
			wrong = "Idempotency-Key"
		}
		if w := put(a, "", wrong, "k", "{}"); w.Code != 400 || !strings.Contains(w.Body.String(), d.Place()) {
			t.Errorf("%s: the wrong place: %d %s", name, w.Code, w.Body)
		}
		if a.Effects() != 0 || a.Counts().BadKeys != 1 {
			t.Errorf("%s: %+v", name, a.Counts())
		}
		for _, step := range []struct {
			body   string
			status int
		}{{c.body, 200}, {c.body, 200}, {c.other, c.mismatch}} {
			if w := put(a, c.query, c.header, "k", step.body); w.Code != step.status {
				t.Errorf("%s: %s: %d %s", name, step.body, w.Code, w.Body)
			}
		}
		if n := a.Counts(); n.Effects != 1 || n.Replays != 1 || n.Mismatches != 1 {
			t.Errorf("%s: %+v", name, n)
		}
	}
	if len(DialectNames()) != 8 {
		t.Errorf("a dialect is not tried: %v", DialectNames())
	}
	if _, err := ParseDialect("esperanto"); err == nil || !strings.Contains(err.Error(), "quickbooks") {
		t.Error(err)
	}
}

func TestKeyIsTooLong(t *testing.T) {
	d, err := ParseDialect("amazonpay")
	if err != nil {
		t.Fatal(err)
	}
	a := New(Config{Dialect: d})
	uuid := "b1a2c3d4-0000-4000-8000-000000000001"
	if w := put(a, "", d.Header, uuid, "{}"); w.Code != 400 || a.Effects() != 0 {
		t.Errorf("36 characters: %d", w.Code)
	}
	if w := put(a, "", d.Header, strings.ReplaceAll(uuid, "-", ""), "{}"); w.Code != 200 || a.Effects() != 1 {
		t.Errorf("32 characters: %d", w.Code)
	}
}

func TestKeysOfTwoAccounts(t *testing.T) {
	a := New(Config{Dialect: Dialect{Scope: "Stripe-Account"}})
	for _, account := range []string{"acct_1", "acct_2", "acct_1"} {
		r := httptest.NewRequest("POST", sendPath("7"), strings.NewReader("{}"))
		r.Header.Set("Idempotency-Key", "k")
		r.Header.Set("Stripe-Account", account)
		a.ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := a.Counts(); n.Effects != 2 || n.Replays != 1 {
		t.Errorf("%+v", n)
	}
}

// A mended invoice under its old key gets the old refusal or a mismatch where
// refusals are remembered, and gets through where they are not.
func TestRemembersRefusals(t *testing.T) {
	for remembers, want := range map[bool]int{true: 422, false: 200} {
		a := New(Config{Dialect: Dialect{RemembersRefusals: remembers, Required: true}, Traits: []Trait{Reject{Percent: 100}}})
		first := ask(a, "POST", sendPath("7"), "k", "{}")
		again := ask(a, "POST", sendPath("7"), "k", "{}")
		if first.Code != 402 || again.Code != 402 || first.Body.String() != again.Body.String() {
			t.Errorf("%d %s, then %d %s", first.Code, first.Body, again.Code, again.Body)
		}
		if n := a.Counts(); (n.Replays == 1) != remembers || (n.Rejected == 1) != remembers {
			t.Errorf("%+v", n)
		}
		a.config.Traits = nil // it would be taken now
		if w := ask(a, "POST", sendPath("7"), "k", `{"mended":1}`); w.Code != want {
			t.Errorf("remembers=%t: mended: %d", remembers, w.Code)
		}
	}
}
