package billinghttp

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
)

func TestParseSaved(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte("{}"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text   string
		status int
		body   string
	}{
		{"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nok\r\n", 200, "ok\r\n"},
		{"HTTP/2 409 \ncontent-type: application/json\n\n{}", 409, "{}"},
		{"HTTP/3 204\n\n", 204, ""},
		{"HTTP/2 204", 0, ""},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nA: b\r\n\r\n{}", 201, "{}"},
		{"HTTP/1.1 200 Connection established\r\n\r\nHTTP/2 402\r\nA: b\r\n\r\nno", 402, "no"},
		{"HTTP/1.1 401 \r\nWWW-Authenticate: Digest\r\n\r\nHTTP/1.1 307 \r\nLocation: /x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
		{"HTTP/1.1 200 OK\nContent-Type: text/plain\n\nHTTP/1.1 500 no\n\n", 200, "HTTP/1.1 500 no\n\n"},
		{"HTTP/1.1 200 OK\nContent-Encoding: gzip\n\n" + zipped.String(), 200, "{}"},
		{"HTTP/1.1 200 OK\nContent-Encoding: gzip\n\n{}", 200, "{}"},
		{"HTTP/1.1 200 OK\nContent-Encoding: gzip\n\n\x1f\x8bx", 0, ""},
		{"HTTP/1.1 200 OK\nno header\n\n", 0, ""},
		{"{}", 0, ""},
		{"", 0, ""},
		{"HTTP/1.1 99 no\n\n", 0, ""},
	} {
		s, err := ParseSaved([]byte(c.text))
		if c.status == 0 {
			if err == nil {
				t.Errorf("%q: %+v, want an error", c.text, s)
			}
			continue
		}
		if err != nil || s.Status != c.status || string(s.Body) != c.body {
			t.Errorf("%q: %d %q, %v", c.text, s.Status, s.Body, err)
		}
	}
}

func TestExplainSaved(t *testing.T) {
	c := newClient(t, "https://api.example", func(c *Config) {
		c.Outcomes = "409 if body.code == \"done\" -> accepted\n200 if body.status == \"sent\" -> accepted"
		c.LookupURL, c.LookUps = "https://api.example/{id}", "200 if body.data == [] -> absent"
	})
	for text, want := range map[string][]string{
		"HTTP/2 409\n\n{\"code\":\"done\"}": {"HTTP 409 Conflict, 15 bytes", `accepted: BILLING_OUTCOMES, line 1, says 409 if body.code == "done" -> accepted`, "without idempotency keys: the invoice is sent"},
		"HTTP/2 200\n\n{\"data\":[]}": {
			"To a request it means unknown: BILLING_OUTCOMES: no rule for this status matches", "with idempotency keys:    the same request is sent again",
			"without idempotency keys: BILLING_LOOKUP_URL is asked", "To a look-up it means absent: BILLING_LOOKUP_OUTCOMES, line 1", "what is in doubt is requested again",
		},
		"HTTP/2 402\n\n": {"refused, as is built in for its status: no rule of BILLING_OUTCOMES is for it", "the invoice has failed"},
		"HTTP/2 429\n\n": {"throttled, as is built in", "the whole run slows down"},
		"HTTP/2 302\nLocation: https://x.example/?token=" + canary + "\n\n" + canary: {"HTTP 302 Found, not followed to https://x.example/,"},
	} {
		s, err := ParseSaved([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := c.ExplainSaved(t.Context(), &b, s); err != nil {
			t.Fatal(err)
		}
		for _, line := range want {
			if !strings.Contains(b.String(), line) {
				t.Errorf("%q lacks %q:\n%s", text, line, b.String())
			}
		}
		if strings.Contains(b.String(), canary) {
			t.Errorf("it shows a token:\n%s", b.String())
		}
	}
}
