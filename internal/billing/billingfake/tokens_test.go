package billingfake

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The endpoint is as strict as RFC 6749 lets it be, and the API takes nothing but its tokens.
func TestTokens(t *testing.T) {
	now := time.Now()
	in := Client{ID: "me", Secret: "s&cret", Scope: "bill read", InBody: true, Life: time.Minute}
	basic := in
	basic.InBody = false
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"bill read"}}
	full := url.Values{"grant_type": {"client_credentials"}, "scope": {"bill read"}, "client_id": {"me"}, "client_secret": {"s&cret"}}
	for _, c := range []struct {
		client Client
		form   url.Values
		basic  string
		kind   string
		want   string
	}{
		{basic, form, "s%26cret", "", "access_token"},
		{basic, form, "s&cret", "", "access_token"}, // & stands for itself when it is unescaped
		{basic, form, "other", "", "invalid_client"},
		{basic, form, "", "", "invalid_client"},
		{basic, full, "", "", "invalid_client"},
		{basic, full, "s%26cret", "", "invalid_request"},
		{basic, form, "s%26cret", "application/json", "invalid_request"},
		{basic, url.Values{"grant_type": {"client_credentials"}}, "s%26cret", "", "invalid_scope"},
		{basic, url.Values{"grant_type": {"password"}, "scope": {"bill read"}}, "s%26cret", "", "unsupported_grant_type"},
		{in, full, "", "", "access_token"},
		{in, form, "s%26cret", "", "invalid_client"},
	} {
		tokens := NewTokens(c.client, nil)
		a := New(Config{Tokens: tokens, Now: func() time.Time { return now }})
		ask := func(method, target, body string, header http.Header) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, target, strings.NewReader(body))
			r.Header = header
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			return w
		}
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		if c.kind != "" {
			header.Set("Content-Type", c.kind)
		}
		if c.basic != "" {
			r := &http.Request{Header: header}
			r.SetBasicAuth("me", c.basic)
		}
		got := ask("POST", "/oauth/token", c.form.Encode(), header)
		if !strings.Contains(got.Body.String(), c.want) || (got.Code == http.StatusOK) != (c.want == "access_token") {
			t.Errorf("%+v: %d %s", c, got.Code, got.Body)
		}
		if got.Code != http.StatusOK {
			continue
		}
		bearer := http.Header{"Authorization": {"Bearer " + tokens.Valid()[0]}}
		if got := ask("POST", "/v1/invoices/7/send", "", nil); got.Code != http.StatusUnauthorized {
			t.Errorf("without a token: %d", got.Code)
		}
		if got := ask("POST", "/v1/invoices/7/send", "", bearer); got.Code != http.StatusOK {
			t.Errorf("with a token: %d", got.Code)
		}
		now = now.Add(time.Minute)
		if got := ask("GET", "/v1/invoices/7", "", bearer); got.Code != http.StatusUnauthorized {
			t.Errorf("with a token that has expired: %d", got.Code)
		}
		tokens.Accept("given")
		if got := ask("GET", "/v1/invoices/7", "", http.Header{"Authorization": {"Bearer given"}}); got.Code != http.StatusOK {
			t.Errorf("with a given one: %d", got.Code)
		}
		tokens.Revoke()
		if got := ask("GET", "/v1/invoices/7", "", http.Header{"Authorization": {"Bearer given"}}); got.Code != http.StatusUnauthorized {
			t.Errorf("with one that was taken back: %d", got.Code)
		}
		if n := tokens.Counts(); n != (TokenCounts{Issued: 1, AtOnce: 1, Unauthorized: 3}) || a.Effects() != 1 {
			t.Errorf("%+v", n)
		}
	}
}
