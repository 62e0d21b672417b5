package billinghttp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp/rules"
)

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, func(c *rawConn) {
				for n := 0; c.request() != nil; n++ {
					if n > 0 {
						c.write(ok)
						continue
					}
					c.write(fmt.Sprintf("HTTP/1.1 %d Moved\r\nLocation: /v1/elsewhere?token=secret\r\nContent-Length: 0\r\n\r\n", status))
				}
			})
			outcome := billing.Unknown
			if status == 307 || status == 308 {
				outcome = billing.NotSent
			}
			reply := send(t, newClient(t, s.url, nil))
			wantOutcome(t, reply, outcome, "not followed to "+s.url+"/v1/elsewhere")
			if strings.Contains(reply.Reason, "?") {
				t.Errorf("the reason holds a query: %s", reply.Reason)
			}
			if s.requests.Load() != 1 {
				t.Errorf("%d requests", s.requests.Load())
			}
		})
	}
}

// drip sends a reply whose body never ends.
func drip(head string) func(c *rawConn) {
	return func(c *rawConn) {
		c.request()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for alive := c.write(head); alive; alive = c.write("1\r\nx\r\n") {
			<-tick.C
		}
	}
}

func TestDrippingBody(t *testing.T) {
	const chunked = " No\r\nTransfer-Encoding: chunked\r\n\r\n"
	success := func(cfg *Config) {
		cfg.Outcomes, cfg.Timeout = `2xx if text.matches("x") -> accepted`, time.Second
	}
	for name, f := range map[string]struct {
		status  string
		change  func(*Config)
		outcome billing.Outcome
		reason  string
	}{
		"accepted_at_the_status_line": {"200", nil, billing.Accepted, ""},
		"needed_for_success":          {"200", success, billing.Unknown, "can't be read to its end for the rule in line 1: BILLING_TIMEOUT (1s) is over"},
		"refused":                     {"400", nil, billing.Refused, "HTTP 400"},
		"server_error":                {"500", nil, billing.Unknown, "HTTP 500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, drip("HTTP/1.1 "+f.status+chunked))
			c := newClient(t, s.url, f.change)
			begun := time.Now()
			wantOutcome(t, send(t, c), f.outcome, f.reason)
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("a dripping body held the sender for %s of %s", took, c.timeout)
			}
		})
	}
}

func TestSuccess(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, `{"status":"done"}`)
	_ = z.Close()
	for name, f := range map[string]struct {
		head, body string
		outcome    billing.Outcome
		reason     string
	}{
		"matches":         {"200 OK", `{"status":"done"}`, billing.Accepted, ""},
		"gzip":            {"200 OK\r\nContent-Encoding: gzip", zipped.String(), billing.Accepted, ""},
		"bad_gzip":        {"200 OK\r\nContent-Encoding: gzip", "nope", billing.Unknown, "can't be read"},
		"no_body":         {"204 No Content", "", billing.Unknown, "no rule for this status matches"},
		"200_with_error":  {"200 OK", `{"status":"error","token":"` + canary + `"}`, billing.Unknown, `{"status":"error","token":"***"}`},
		"eof_in_the_body": {"200 OK\r\nContent-Length: 99", `{"status":"done"}`, billing.Unknown, "can't be read"},
		"too_long":        {"200 OK", `{"status":"done"}` + strings.Repeat(" ", rules.BodyMost), billing.Unknown, "longer than"},
		"not_a_2xx":       {"400 Bad Request", `{"status":"done"}`, billing.Refused, "HTTP 400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, answeringOnce("HTTP/1.1 "+f.head+"\r\nConnection: close\r\n\r\n"+f.body))
			c := newClient(t, s.url, func(cfg *Config) { cfg.Outcomes = `2xx if text.matches("\"status\": *\"done\"") -> accepted` })
			wantOutcome(t, send(t, c), f.outcome, f.reason)
		})
	}
}

func TestLookUp(t *testing.T) {
	for status, want := range map[int]billing.Finding{
		200: billing.Acted, 404: billing.Absent, 201: billing.UnknownFinding, 204: billing.UnknownFinding, 302: billing.UnknownFinding,
		400: billing.UnknownFinding, 401: billing.UnknownFinding, 410: billing.UnknownFinding, 500: billing.UnknownFinding,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, func(c *rawConn) {
				for req := c.request(); req != nil; req = c.request() {
					if req.Method != "GET" || req.URL.Path != "/v1/invoices/7" || req.Header.Get("Authorization") != "Bearer "+canary ||
						req.Header.Get("Cache-Control") != "no-cache" || req.Header.Get("Idempotency-Key") != "" {
						t.Errorf("%s %s %v", req.Method, req.URL, req.Header)
					}
					body := "x"
					if status == 204 {
						body = ""
					}
					c.write(fmt.Sprintf("HTTP/1.1 %d No\r\nLocation: /\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body))
				}
			})
			c := newClient(t, s.url, func(cfg *Config) { cfg.LookupURL = s.url + "/v1/invoices/{id}" })
			found := c.LookUp(context.Background(), message(t, c))
			if found.Finding != want || found.Told != (want != billing.UnknownFinding || status == 400 || status == 410) || found.Reason == "" || s.requests.Load() != 1 {
				t.Errorf("%+v, %d requests", found, s.requests.Load())
			}
		})
	}
	s := serveRaw(t, func(c *rawConn) { c.request() })
	c := newClient(t, s.url, func(cfg *Config) { cfg.LookupURL = s.url + "/{id}" })
	for _, m := range []billing.Request{message(t, c), {}} {
		if found := c.LookUp(context.Background(), m); found.Finding != billing.UnknownFinding || found.Told || found.Reason == "" {
			t.Errorf("%+v", found)
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	s := serveRaw(t, answering("HTTP/1.1 500 No\r\nContent-Length: 6\r\n\r\nreason"))
	c := newClient(t, s.url, nil)
	for range 20 {
		wantOutcome(t, send(t, c), billing.Unknown, "reason")
	}
	if s.accepted.Load() != 1 || s.requests.Load() != 20 {
		t.Errorf("%d requests on %d connections", s.requests.Load(), s.accepted.Load())
	}
}

func TestHTTP2(t *testing.T) {
	s, trust := serveTLS(t, true, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s", r.Proto, r.Method, body, r.Header.Get("Idempotency-Key"))
	})
	c := newClient(t, s.URL, func(cfg *Config) { cfg.Outcomes = `2xx if text == "HTTP/2.0 POST {\"id\":7} key-7" -> accepted` })
	trust(c)
	wantOutcome(t, send(t, c), billing.Accepted, "")
}
