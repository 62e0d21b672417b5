package billinghttp

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/fault"
)

// said are faults as lines.
func said(faults []fault.Fault) string {
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = f.Variable + " " + f.Problem
	}
	return strings.Join(lines, "\n")
}

func TestCheckListsAllFaults(t *testing.T) {
	const secret = "s3cr3t-value"
	faults := Check(Config{
		URL: "https://api.example/{id}}?key=" + secret, LookupURL: "ftp://u:" + secret + "@api.example/{id}",
		Method: "GET", Body: "{{.id", Token: secret + "\n",
		Headers: "Authorization: " + secret + ", X-Key: " + secret + ", idempotency-key: " + secret + ", Te: x",
	})
	lines := strings.Split(said(faults), "\n")
	for i, want := range []string{
		"BILLING_METHOD is GET", "BILLING_URL has a } without its {", "BILLING_LOOKUP_URL is not a URL",
		"BILLING_BODY is no template", "BILLING_HEADERS sets Authorization",
		"BILLING_HEADERS sets Idempotency-Key", "BILLING_HEADERS sets Te",
		"BILLING_TOKEN has white space or a control character", "BILLING_TIMEOUT is not above 0",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d is not %q of\n%s", i, want, said(faults))
			break
		}
	}
	if strings.Contains(said(faults), secret) {
		t.Errorf("a secret is in\n%s", said(faults))
	}
}

// Each is a fault of its own, with nothing of the value in it.
func TestCredentialFaults(t *testing.T) {
	const secret = "s3cr3t-value"
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no colon":         {func(c *Config) { c.BasicAuth = secret }, "BILLING_BASIC_AUTH is not of the form user:password"},
		"token and basic":  {func(c *Config) { c.BasicAuth, c.Token = "u:"+secret, secret }, "BILLING_BASIC_AUTH is set beside BILLING_TOKEN"},
		"header and basic": {func(c *Config) { c.BasicAuth, c.Headers = "u:"+secret, "authorization: "+secret }, "BILLING_BASIC_AUTH is set, and BILLING_HEADERS"},
		"no pair":          {func(c *Config) { c.TLSCert, c.TLSKey = secret, secret }, "BILLING_TLS_CERT is no pair in PEM with BILLING_TLS_KEY"},
		"no key":           {func(c *Config) { c.TLSCert = secret }, "BILLING_TLS_KEY is not set, and BILLING_TLS_CERT is"},
		"no certificate":   {func(c *Config) { c.TLSKey = secret }, "BILLING_TLS_CERT is not set, and BILLING_TLS_KEY is"},
		"no authority":     {func(c *Config) { c.TLSCA = secret }, "BILLING_TLS_CA has no certificate"},
		"in the clear":     {func(c *Config) { c.TLSCA, c.URL = secret, "http://api.example/{id}" }, "BILLING_URL is not https"},
		"signing":          {func(c *Config) { c.Signing = "whsec_" + secret }, "BILLING_SIGNING_SECRET is no secret of Standard Webhooks"},
		"no colons":        {func(c *Config) { c.Headers = secret }, "BILLING_HEADERS entry 1 is not"},
		"no name":          {func(c *Config) { c.Headers = "X-A: 1,X B: " + secret }, "BILLING_HEADERS entry 2 is not"},
		"no value":         {func(c *Config) { c.Headers = "X-A: 1\n\nX-B: " + secret + "\x00\n" }, "BILLING_HEADERS entry 2 has a control character"},
		"token in words":   {func(c *Config) { c.Token = secret + " " + secret }, "BILLING_TOKEN has white space"},
		"one for all":      {func(c *Config) { c.LookupURL = "https://api.example/invoices?key=" + secret }, "BILLING_LOOKUP_URL has no {column}"},
		"short signing":    {func(c *Config) { c.Signing = "whsec_c2VjcmV0" }, "BILLING_SIGNING_SECRET is no secret of Standard Webhooks"},
	} {
		cfg := Config{URL: "https://api.example/{id}", Body: "row", Timeout: time.Second}
		c.change(&cfg)
		got := said(Check(cfg))
		if !strings.HasPrefix(got, c.want) || strings.Contains(got, secret) {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: a client is made of it", name)
		}
	}
}

func TestMethods(t *testing.T) {
	for method, allowed := range map[string]bool{
		"POST": true, "PUT": true, "PATCH": true, "DELETE": true,
		"GET": false, "HEAD": false, "CONNECT": false, "post": false, "BILL ME": false,
	} {
		if err := checkMethod(method); (err == nil) != allowed {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// What a request carries, as the server sees it.
func TestHeaders(t *testing.T) {
	got := make(chan *http.Request, 1)
	s := serveRaw(t, func(c *rawConn) {
		got <- c.request()
		c.write(ok)
	})
	user := strings.Replace(s.url, "//", "//me:p4ss@", 1)
	for name, f := range map[string]struct {
		change func(*Config)
		host   string
		want   http.Header
	}{
		"usual": {
			func(*Config) {}, strings.TrimPrefix(s.url, "http://"),
			http.Header{
				"User-Agent": {"billonce/test"}, "Authorization": {"Bearer " + canary}, "Content-Type": {"application/json"},
				"Idempotency-Key": {key}, "Accept-Encoding": {"gzip"}, "Content-Length": {"8"},
			},
		},
		"own": {
			func(cfg *Config) {
				cfg.Token, cfg.URL = "", user+"/{id}"
				cfg.Headers = "content-type: text/plain, Host: api.example\nUser-Agent: me\n\nX-A: 1, x-a: 2\n"
			}, "api.example",
			http.Header{
				"User-Agent": {"me"}, "Authorization": {"Basic bWU6cDRzcw=="}, "Content-Type": {"text/plain"}, "X-A": {"1", "2"},
				"Idempotency-Key": {key}, "Accept-Encoding": {"gzip"}, "Content-Length": {"8"},
			},
		},
		"no_body": {
			func(cfg *Config) { cfg.Body, cfg.Token = "none", "" }, strings.TrimPrefix(s.url, "http://"),
			http.Header{"User-Agent": {"billonce/test"}, "Idempotency-Key": {key}, "Accept-Encoding": {"gzip"}, "Content-Length": {"0"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, s.url, f.change)
			m := message(t, c)
			if strings.Contains(m.URL, "p4ss") {
				t.Errorf("the message's URL holds the password: %s", m.URL)
			}
			wantOutcome(t, c.Send(context.Background(), m, allow), billing.Accepted, "")
			req := <-got
			if req.Host != f.host {
				t.Errorf("host %s, want %s", req.Host, f.host)
			}
			for name, want := range f.want {
				if !slices.Equal(req.Header[name], want) {
					t.Errorf("%s: %q, want %q", name, req.Header[name], want)
				}
			}
			if len(req.Header) != len(f.want) {
				t.Errorf("%v", req.Header)
			}
		})
	}
}

func TestRedaction(t *testing.T) {
	c, err := New(Config{
		URL: "https://me:passw0rd@api.example/{id}?api_key=query-s3cret", Body: "row", Timeout: time.Second,
		Signing: "whsec_c2lnbmluZy1rZXktb2YtMjQtYnl0ZXMh",
		Headers: "X-Auth: Digest a-longer-s3cret, X-Shop: eu, Accept: application/json",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for text, want := range map[string]string{
		"passw0rd and query-s3cret in the eu":        "*** and *** in the eu",
		"Digest a-longer-s3cret, or a-longer-s3cret": "***, or ***",
		"Basic bWU6cGFzc3cwcmQ=":                     "Basic ***",
		"c2lnbmluZy1rZXktb2YtMjQtYnl0ZXMh":           "***",
		"want application/json":                      "want application/json",
		"cut off in query-s3c":                       "cut off in ***",
		"a\tb\r\n\x1b[31mc":                          "a b [31mc",
	} {
		if got := c.redactor().clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := c.redactor().clean(strings.Repeat("ü", 500)); len(got) > excerptMax || !strings.HasSuffix(got, "ü…") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// An empty URL is the matter of whoever needs one; New does.
func TestURLIsRequired(t *testing.T) {
	cfg := Config{Body: "row", Timeout: time.Second}
	if faults := Check(cfg); len(faults) > 0 {
		t.Errorf("%v", faults)
	}
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "BILLING_URL: is required") {
		t.Errorf("%v", err)
	}
}
