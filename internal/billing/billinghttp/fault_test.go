package billinghttp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"billonce/internal/billing"
)

// Every fault of a server, named after what happens on the wire. Each replies
// with the token where it can: no reason may hold it.
func TestFaultsOnTheWire(t *testing.T) {
	echo := "you sent " + canary
	withBody := func(head, body string) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
	faults := map[string]struct {
		script  func(c *rawConn)
		outcome billing.Outcome
		reason  string
	}{
		"eof_after_request":      {func(c *rawConn) { c.request() }, billing.Unknown, "the server closed the connection"},
		"reset_after_request":    {func(c *rawConn) { c.request(); c.reset() }, billing.Unknown, "reset"},
		"eof_in_status_line":     {answering2("HTTP/1.1 20"), billing.Unknown, "closed the connection"},
		"eof_in_header":          {answering2("HTTP/1.1 200 OK\r\nContent-Le"), billing.Unknown, "closed the connection"},
		"eof_in_body":            {answering2("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), billing.Accepted, ""},
		"eof_in_refusal":         {answering2("HTTP/1.1 400 No\r\nContent-Length: 99\r\n\r\n" + echo[:20]), billing.Refused, "HTTP 400"},
		"garbage":                {answering2(canary + "\r\n\r\n"), billing.Unknown, "malformed"},
		"garbage_status":         {answering2("HTTP/1.1 2x0 OK\r\n\r\n"), billing.Unknown, "malformed"},
		"garbage_header":         {answering2("HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n"), billing.Unknown, "malformed"},
		"two_lengths":            {answering2("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"), billing.Unknown, "Content-Length"},
		"switching_protocols":    {answering2("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), billing.Unknown, "HTTP 101"},
		"continue_then_ok":       {answering2("HTTP/1.1 100 Continue\r\n\r\n" + ok), billing.Accepted, ""},
		"hints_then_eof":         {answering2("HTTP/1.1 103 Early Hints\r\n\r\n"), billing.Unknown, "closed the connection"},
		"endless_hints":          {answering2(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("y", 1000)+"\r\n\r\n", 2000)), billing.Unknown, "1xx"},
		"huge_header":            {answering2("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxReplyHeader) + "\r\n\r\n"), billing.Unknown, "exceeded"},
		"refusal_with_token":     {answering2(withBody("400 Bad Request", echo)), billing.Refused, "you sent ***"},
		"token_cut_in_two":       {answering2(withBody("400 Bad Request", strings.Repeat("x", skimMax-12)+canary)), billing.Refused, "HTTP 400"},
		"token_in_location":      {answering2("HTTP/1.1 302 Found\r\nLocation: http://u:" + canary + "@other.example/?t=" + canary + "\r\n\r\n"), billing.Unknown, "not followed to http://other.example"},
		"terminal_escapes":       {answering2(withBody("500 No", "\x1b[2J\x00\u202e\xff"+echo)), billing.Unknown, "you sent"},
		"overlong_body":          {answering2(withBody("500 No", strings.Repeat("ü ", 1<<19))), billing.Unknown, "…"},
		"http_1_0":               {answering2("HTTP/1.0 200 OK\r\n\r\nok"), billing.Accepted, ""},
		"service_unavailable":    {answering2(withBody("503 No", "")), billing.Unknown, "HTTP 503 Service Unavailable"},
		"status_beyond_http":     {answering2(withBody("999 No", "")), billing.Unknown, "HTTP 999"},
		"bad_gzip":               {answering2("HTTP/1.1 400 No\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"), billing.Refused, "HTTP 400"},
		"reply_before_body_read": {func(c *rawConn) { _, _ = c.r.ReadByte(); c.write(withBody("413 Too Large", "")) }, billing.Refused, "HTTP 413"},
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, f.script)
			reply := send(t, newClient(t, s.url, nil))
			wantOutcome(t, reply, f.outcome, f.reason)
			if s.requests.Load() > 1 || s.accepted.Load() != 1 {
				t.Errorf("%d requests on %d connections", s.requests.Load(), s.accepted.Load())
			}
		})
	}
}

// answering2 replies once, and closes.
func answering2(text string) func(c *rawConn) {
	return func(c *rawConn) {
		c.request()
		c.write(text)
	}
}

func TestBeforeTheRequest(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	hangsUp := serveRaw(t, func(c *rawConn) {})
	garbage := serveRaw(t, func(c *rawConn) { c.write("220 ready\r\n"); _, _ = io.Copy(io.Discard, c) })
	silent := serveRaw(t, func(c *rawConn) { _, _ = io.Copy(io.Discard, c) })
	https := func(s *rawServer) string { return "https" + strings.TrimPrefix(s.url, "http") }
	for name, f := range map[string]struct {
		base, reason string
		timeout      time.Duration
		dial         func(ctx context.Context, network, address string) (net.Conn, error)
	}{
		"connection_refused": {base: "http://" + closed.Addr().String(), reason: "refused"},
		"no_such_host":       {base: "http://api.billonce.invalid", reason: "lookup api.billonce.invalid"},
		"tls_hang_up":        {base: https(hangsUp), reason: "nothing was sent"},
		"tls_garbage":        {base: https(garbage), reason: "tls"},
		"tls_silence":        {base: https(silent), reason: "BILLING_TIMEOUT (50ms)", timeout: 50 * time.Millisecond},
		"dial_silence": {
			base: "http://127.0.0.1", reason: "BILLING_TIMEOUT (50ms)", timeout: 50 * time.Millisecond,
			dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				select {
				case <-ctx.Done():
				case <-t.Context().Done():
				}
				return nil, errors.New("gave up")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, f.base, func(cfg *Config) { cfg.Timeout = max(f.timeout, 5*time.Second*time.Duration(1-min(1, f.timeout))) })
			if f.dial != nil {
				c.transport.DialContext = f.dial
			}
			reply := c.Send(context.Background(), message(t, c), func() error {
				t.Error("asked for a permit")
				return nil
			})
			checkReply(t, reply)
			wantOutcome(t, reply, billing.NotSent, f.reason)
			if reply.NotAsked || reply.Throttled {
				t.Errorf("%+v", reply)
			}
		})
	}
}

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
					c.write(fmt.Sprintf("HTTP/1.1 %d Moved\r\nLocation: /v1/elsewhere\r\nContent-Length: 0\r\n\r\n", status))
				}
			})
			wantOutcome(t, send(t, newClient(t, s.url, nil)), billing.Unknown, "not followed")
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
		cfg.Success, cfg.Timeout = regexp.MustCompile("x"), 100*time.Millisecond
	}
	for name, f := range map[string]struct {
		status  string
		change  func(*Config)
		outcome billing.Outcome
		reason  string
	}{
		"accepted_at_the_status_line": {"200", nil, billing.Accepted, ""},
		"needed_for_success":          {"200", success, billing.Unknown, "can't be read for BILLING_SUCCESS: BILLING_TIMEOUT (100ms) is over"},
		"refused":                     {"400", nil, billing.Refused, "HTTP 400"},
		"server_error":                {"500", nil, billing.Unknown, "HTTP 500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, drip("HTTP/1.1 "+f.status+chunked))
			c := newClient(t, s.url, f.change)
			begun := time.Now()
			wantOutcome(t, send(t, c), f.outcome, f.reason)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("a dripping body held the sender for %s of %s", took, c.timeout)
			}
		})
	}
}

func TestDeadlineAndCancellation(t *testing.T) {
	got := make(chan struct{}, 2)
	s := serveRaw(t, func(c *rawConn) {
		c.request()
		got <- struct{}{}
		_, _ = c.r.ReadByte() // until the client hangs up
	})
	c := newClient(t, s.url, func(cfg *Config) { cfg.Timeout = 50 * time.Millisecond })
	wantOutcome(t, send(t, c), billing.Unknown, "BILLING_TIMEOUT (50ms) is over")
	<-got

	c = newClient(t, s.url, nil)
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		<-got
		cancel(errors.New("DRAIN_TIMEOUT is over"))
	}()
	wantOutcome(t, c.Send(ctx, message(t, c), allow), billing.Unknown, "cancelled: DRAIN_TIMEOUT is over")
	wantOutcome(t, c.Send(ctx, message(t, c), allow), billing.NotSent, "cancelled: DRAIN_TIMEOUT is over")
	if s.requests.Load() != 2 {
		t.Errorf("%d requests", s.requests.Load())
	}
}

func TestSuccess(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, `{"status":"done"}`)
	z.Close()
	for name, f := range map[string]struct {
		head, body string
		outcome    billing.Outcome
		reason     string
	}{
		"matches":         {"200 OK", `{"status":"done"}`, billing.Accepted, ""},
		"gzip":            {"200 OK\r\nContent-Encoding: gzip", zipped.String(), billing.Accepted, ""},
		"bad_gzip":        {"200 OK\r\nContent-Encoding: gzip", "nope", billing.Unknown, "can't be read"},
		"no_body":         {"204 No Content", "", billing.Unknown, "does not match"},
		"200_with_error":  {"200 OK", `{"status":"error","token":"` + canary + `"}`, billing.Unknown, `{"status":"error","token":"***"}`},
		"eof_in_the_body": {"200 OK\r\nContent-Length: 99", `{"status":"done"}`, billing.Unknown, "can't be read"},
		"too_long":        {"200 OK", `{"status":"done"}` + strings.Repeat(" ", successMax), billing.Unknown, "too long"},
		"not_a_2xx":       {"400 Bad Request", `{"status":"done"}`, billing.Refused, "HTTP 400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, answering2("HTTP/1.1 "+f.head+"\r\nConnection: close\r\n\r\n"+f.body))
			c := newClient(t, s.url, func(cfg *Config) { cfg.Success = regexp.MustCompile(`"status": *"done"`) })
			wantOutcome(t, send(t, c), f.outcome, f.reason)
		})
	}
}

func TestLookUp(t *testing.T) {
	for status, want := range map[int]billing.Finding{
		200: billing.Acted, 404: billing.NotActed, 201: billing.NotKnown, 204: billing.NotKnown, 302: billing.NotKnown,
		400: billing.NotKnown, 401: billing.NotKnown, 410: billing.NotKnown, 500: billing.NotKnown,
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
			finding, reason := c.LookUp(context.Background(), message(t, c))
			if finding != want || (finding == billing.NotKnown) != (reason != "") || s.requests.Load() != 1 {
				t.Errorf("%d: %s, %d requests", finding, reason, s.requests.Load())
			}
		})
	}
	s := serveRaw(t, func(c *rawConn) { c.request() })
	c := newClient(t, s.url, func(cfg *Config) { cfg.LookupURL = s.url + "/{id}" })
	if finding, reason := c.LookUp(context.Background(), message(t, c)); finding != billing.NotKnown || reason == "" {
		t.Errorf("%d: %s", finding, reason)
	}
	if finding, reason := c.LookUp(context.Background(), billing.Message{}); finding != billing.NotKnown || reason == "" {
		t.Errorf("%d: %s", finding, reason)
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
	c := newClient(t, s.URL, func(cfg *Config) { cfg.Success = regexp.MustCompile(`^HTTP/2.0 POST {"id":7} key-7$`) })
	trust(c)
	wantOutcome(t, send(t, c), billing.Accepted, "")
}
