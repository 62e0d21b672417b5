package billinghttp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
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
		"eof_in_status_line":     {answeringOnce("HTTP/1.1 20"), billing.Unknown, "malformed"},
		"eof_in_header":          {answeringOnce("HTTP/1.1 200 OK\r\nContent-Le"), billing.Unknown, "malformed"},
		"eof_in_body":            {answeringOnce("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), billing.Accepted, ""},
		"eof_in_refusal":         {answeringOnce("HTTP/1.1 400 No\r\nContent-Length: 99\r\n\r\n" + echo[:20]), billing.Refused, "HTTP 400"},
		"garbage":                {answeringOnce(canary + "\r\n\r\n"), billing.Unknown, "malformed"},
		"garbage_status":         {answeringOnce("HTTP/1.1 2x0 OK\r\n\r\n"), billing.Unknown, "malformed"},
		"garbage_header":         {answeringOnce("HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n"), billing.Unknown, "malformed"},
		"two_lengths":            {answeringOnce("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"), billing.Unknown, "Content-Length"},
		"switching_protocols":    {answeringOnce("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), billing.Unknown, "HTTP 101"},
		"continue_then_ok":       {answeringOnce("HTTP/1.1 100 Continue\r\n\r\n" + ok), billing.Accepted, ""},
		"hints_then_eof":         {answeringOnce("HTTP/1.1 103 Early Hints\r\n\r\n"), billing.Unknown, "closed the connection"},
		"endless_hints":          {answeringOnce(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("y", 1000)+"\r\n\r\n", 2000)), billing.Unknown, "exceeded"},
		"huge_header":            {answeringOnce("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxReplyHeader) + "\r\n\r\n"), billing.Unknown, "exceeded"},
		"refusal_with_token":     {answeringOnce(withBody("400 Bad Request", echo)), billing.Refused, "you sent ***"},
		"token_cut_in_two":       {answeringOnce(withBody("400 Bad Request", strings.Repeat("x", skimMax-12)+canary)), billing.Refused, "HTTP 400"},
		"token_in_location":      {answeringOnce("HTTP/1.1 302 Found\r\nLocation: http://u:" + url.PathEscape(canary) + "@other.example/" + canary + "\r\n\r\n"), billing.Unknown, "not followed to http://other.example"},
		"terminal_escapes":       {answeringOnce(withBody("500 No", "\x1b[2J\x00\u202e\xff"+echo)), billing.Unknown, "you sent"},
		"overlong_body":          {answeringOnce(withBody("500 No", strings.Repeat("ü ", 1<<19))), billing.Unknown, "…"},
		"http_1_0":               {answeringOnce("HTTP/1.0 200 OK\r\n\r\nok"), billing.Accepted, ""},
		"service_unavailable":    {answeringOnce(withBody("503 No", "")), billing.Unknown, "HTTP 503 Service Unavailable"},
		"status_beyond_http":     {answeringOnce(withBody("999 No", "")), billing.Unknown, "HTTP 999"},
		"bad_gzip":               {answeringOnce("HTTP/1.1 400 No\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"), billing.Refused, "HTTP 400"},
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

// answeringOnce replies once, and closes.
func answeringOnce(text string) func(c *rawConn) {
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
	_ = closed.Close()
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
			c := newClient(t, f.base, func(cfg *Config) { cfg.Timeout = cmp.Or(f.timeout, 10*time.Second) })
			if f.dial != nil {
				c.transport.DialContext = f.dial
			}
			reply := c.Send(context.Background(), message(t, c), func() error {
				t.Error("asked for a permit")
				return nil
			})
			checkReply(t, reply)
			wantOutcome(t, reply, billing.NotSent, f.reason)
			if reply.NotAsked {
				t.Errorf("%+v", reply)
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
