package billinghttp

import (
	"strings"
	"testing"
)

func TestWhatOthersMaySee(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]struct{ route, public string }{
		"http://api.test/v1/invoices/{id}/send":                               {"/v1/invoices/{id}/send", "http://api.test/v1/invoices/7/send"},
		"http://user:p4ssw0rd@api.test:8080/{id}":                             {"/{id}", "http://api.test:8080/7"},
		"http://api.test/send?id={id}&key=ab%2fcd":                            {"/send", "http://api.test/send?***"},
		"http://api.test/{id}?key=x":                                          {"/{id}", "http://api.test/7?***"},
		"http://api.test":                                                     {"/", "http://api.test"},
		"http://api.test?id={id}":                                             {"/", "http://api.test?***"},
		"http://api.test/" + strings.ReplaceAll(canary, "/", "%2F") + "/{id}": {"/***/{id}", "http://api.test/***/7"},
	} {
		c := newClient(t, "", func(cfg *Config) {
			cfg.URL = url
			if strings.Contains(url, "@") {
				cfg.Token = ""
			}
		})
		method, route := c.Operation()
		if public := c.PublicURL(message(t, c)); method != "POST" || route != want.route || public != want.public {
			t.Errorf("%s: %s %q, %q", url, method, route, public)
		}
	}
}

// The trace's place differs from one attempt to the next, the body never does.
func TestTraceParentIsAHeader(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c := newClient(t, "http://api.test", nil)
	for _, p := range []string{parent, ""} {
		m := message(t, c)
		m.TraceParent = p
		req, err := c.request(t.Context(), c.shown(), m)
		if err != nil || req.Header.Get("traceparent") != p || len(req.Header.Values("traceparent")) != strings.Count(p, parent) {
			t.Errorf("%q: %v, %v", p, req, err)
		}
	}
	if c.shown().header.Get("traceparent") != "" {
		t.Error("one request's trace stays for the next")
	}
}
