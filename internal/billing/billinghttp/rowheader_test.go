package billinghttp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

// What is made of the row goes with the request and with its look-up; what is made of the
// key only with the request. A token of the row is shown nowhere.
func TestHeadersOfTheRow(t *testing.T) {
	const token = "row-t0ken/of+7"
	got := make(chan *http.Request, 2)
	s := serveRaw(t, func(c *rawConn) {
		for req := c.request(); req != nil; req = c.request() {
			got <- req
			said := "your token is " + token
			c.write(fmt.Sprintf("HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n%s", len(said), said))
		}
	})
	c := newClient(t, s.url, func(cfg *Config) {
		cfg.Token, cfg.LookupURL = "", s.url+"/v1/{id}"
		cfg.Headers = "Stripe-Account: {account}\nAuthorization: Bearer {api_token}\nPayPal-Request-Id: {idempotency_key}\nX-Short: {idempotency_key_hex}"
	})
	inv := billing.Invoice{ID: "7", Key: "a-b", Row: []byte(`{"id":7,"api_token":"` + token + `"}`)}
	for _, column := range c.Columns() {
		inv.Columns = append(inv.Columns, new(map[string]string{"id": "7", "account": "acct_9", "api_token": token}[column]))
	}
	m, err := c.Render(inv)
	if err != nil {
		t.Fatal(err)
	}
	reply := c.Send(context.Background(), m, allow)
	found := c.LookUp(context.Background(), m)
	described, err := c.Describe(context.Background(), m)
	if err != nil || found.Finding != billing.UnknownFinding {
		t.Errorf("%+v, %v", found, err)
	}
	for _, shown := range []string{reply.Reason, found.Reason, described, fmt.Sprintf("%v %+v %#v", m.Headers, m.Headers, m.Headers), c.PublicURL(m)} {
		if strings.Contains(shown, token) {
			t.Errorf("the token is in %s", shown)
		}
	}
	if !strings.Contains(reply.Reason, "your token is ***") || !strings.Contains(described, "Authorization: Bearer ***\n") ||
		!strings.Contains(described, "Stripe-Account: acct_9\n") || !strings.Contains(described, "Paypal-Request-Id: a-b\n") {
		t.Errorf("%s\n%s", reply.Reason, described)
	}
	for i, want := range []http.Header{
		{"Stripe-Account": {"acct_9"}, "Authorization": {"Bearer " + token}, "Paypal-Request-Id": {"a-b"}, "X-Short": {"ab"}},
		{"Stripe-Account": {"acct_9"}, "Authorization": {"Bearer " + token}, "Paypal-Request-Id": nil, "X-Short": nil},
	} {
		req := <-got
		for name := range want {
			if fmt.Sprint(req.Header[name]) != fmt.Sprint(want[name]) {
				t.Errorf("request %d: %s is %q, want %q", i, name, req.Header[name], want[name])
			}
		}
	}
	inv.Columns[0] = nil
	if _, err := c.Render(inv); err == nil || !strings.Contains(err.Error(), "of invoice 7") && !strings.Contains(err.Error(), "for invoice 7") {
		t.Errorf("%v", err)
	}
}

// A token of the row that stands in the URL or in the body is shown nowhere, either, and a
// 401 refuses its invoice alone.
func TestTokensOfTheRow(t *testing.T) {
	const token = "row-t0ken/of+7"
	for name, change := range map[string]func(*Config){
		"query":    func(c *Config) { c.URL += "?token={api_token}" },
		"path":     func(c *Config) { c.URL += "/{api_token}" },
		"template": func(c *Config) { c.Body = `{"id": {{.id}}, "token": {{json .api_token}}}` },
		"row":      func(*Config) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := `{"error":"` + token + ` is revoked"}`
			s := serveRaw(t, answeringOnce(fmt.Sprintf("HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%s", len(said), said)))
			c := newClient(t, s.url, change)
			inv := billing.Invoice{ID: "7", Row: []byte(`{"id":7,"api_token":"` + token + `"}`)}
			for _, column := range c.Columns() {
				inv.Columns = append(inv.Columns, new(map[string]string{"id": "7", "api_token": token}[column]))
			}
			m, err := c.Render(inv)
			if err != nil {
				t.Fatal(err)
			}
			reply := c.Send(context.Background(), m, allow)
			described, err := c.Describe(context.Background(), m)
			if err != nil {
				t.Fatal(err)
			}
			for _, shown := range []string{reply.Reason, described, fmt.Sprintf("%v %+v %#v", m.Secrets, m.Secrets, m.Secrets), c.PublicURL(m)} {
				if strings.Contains(shown, token) || strings.Contains(shown, url.PathEscape(token)) || strings.Contains(shown, url.QueryEscape(token)) {
					t.Errorf("the token is in %s", shown)
				}
			}
			if want := map[bool]billing.Outcome{true: billing.NotSent, false: billing.Refused}[name == "row"]; reply.Outcome != want || reply.Denied != (name == "row") {
				t.Errorf("%+v, want %s", reply, want)
			}
		})
	}
}

func TestRules(t *testing.T) {
	for name, f := range map[string]struct {
		head, body string
		outcome    billing.Outcome
		reason     string
	}{
		"409_means_done":   {"409 No", `{"code":"already_sent"}`, billing.Accepted, ""},
		"409_at_work":      {"409 No", `{"code":"busy"}`, billing.Unknown, "busy"},
		"200_with_errors":  {"200 OK", `{"errors":["no such customer"]}`, billing.Refused, "no such customer"},
		"200_as_ever":      {"200 OK", `{"id":1}`, billing.Unknown, "no rule for this status matches"},
		"201":              {"201 Created", `{"id":1}`, billing.Accepted, ""},
		"400_rate":         {"400 No", `rate_limit`, billing.Throttled, "rate_limit"},
		"breaks_off":       {"200 OK\r\nContent-Length: 99", `{"status":"sent"}`, billing.Unknown, "can't be read to its end"},
		"of_another_coder": {"200 OK\r\nContent-Encoding: br", `{"status":"sent"}`, billing.Unknown, "encoded as br"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, answeringOnce("HTTP/1.1 "+f.head+"\r\nConnection: close\r\n\r\n"+f.body))
			c := newClient(t, s.url, func(cfg *Config) {
				cfg.Outcomes = "409 if body.code == \"already_sent\" -> accepted\n200 if size(body.errors) > 0 -> refused\n200 if body.status == \"sent\" -> accepted\n400 if text.contains(\"rate_limit\") -> throttled"
			})
			reply := c.Send(context.Background(), message(t, c), allow)
			if reply.Status != 409 { // accepted only because a rule says so
				checkReply(t, reply)
			}
			wantOutcome(t, reply, f.outcome, f.reason)
		})
	}
}

// A search instead of a resource.
func TestLookUpRules(t *testing.T) {
	for body, want := range map[string]billing.Finding{
		`{"data":[]}`:                      billing.Absent,
		`{"data":[{"status":"paid"}]}`:     billing.Acted,
		`{"data":[{"status":"rejected"}]}`: billing.RefusedFinding,
		`{"data":[{"status":"draft"}]}`:    billing.UnknownFinding,
		`{}`:                               billing.UnknownFinding,
	} {
		s := serveRaw(t, answeringOnce(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)))
		c := newClient(t, s.url, func(cfg *Config) {
			cfg.LookupURL = s.url + "/search?q={id}"
			cfg.LookUps = "200 if body.data == [] -> absent\n200 if body.data[0].status == \"paid\" -> acted\n200 if body.data[0].status == \"rejected\" -> refused"
		})
		if got := c.LookUp(context.Background(), message(t, c)); got.Finding != want || !got.Told || got.Reason == "" {
			t.Errorf("%s: %+v", body, got)
		}
	}
}
