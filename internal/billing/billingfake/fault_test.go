package billingfake

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Faults that break the connection, as a raw TCP client sees them.
func TestBrokenConnections(t *testing.T) {
	for _, test := range []struct {
		fault   Fault
		effects int
		err     error
		bytes   string
	}{
		{ResetBeforeApply{}, 0, syscall.ECONNRESET, ""},
		{ApplyThenReset{}, 1, syscall.ECONNRESET, ""},
		{EmptyReply{}, 0, nil, ""},
		{EmptyReply{Applied: true}, 1, nil, ""},
		{Garbage{}, 0, nil, "\x15\x03\x01 220 mail.example ESMTP ready\r\n\r\n"},
		{Garbage{Applied: true}, 1, nil, "\x15\x03\x01 220 mail.example ESMTP ready\r\n\r\n"},
	} {
		t.Run(test.fault.String(), func(t *testing.T) {
			a, url := serve(t, Config{Fault: always(test.fault)})
			got, err := io.ReadAll(dial(t, url, rawSend))
			if !errors.Is(err, test.err) || string(got) != test.bytes {
				t.Errorf("read %q, %v", got, err)
			}
			if c := a.Counts(); c.Effects != test.effects || c.Requests != 1 {
				t.Errorf("%+v", c)
			}
			if a.Summary().Faults[test.fault.String()] != 1 {
				t.Errorf("%+v", a.Summary())
			}
		})
	}
}

// The same ones make an error of net/http's client, whatever it thinks of them.
func TestBrokenConnectionsInNetHTTP(t *testing.T) {
	for _, fault := range []Fault{
		ResetBeforeApply{}, ApplyThenReset{}, EmptyReply{}, EmptyReply{Applied: true}, Garbage{}, Garbage{Applied: true},
	} {
		_, url := serve(t, Config{Fault: always(fault)})
		if resp, err := client(t).Post(url+sendPath("7"), "", nil); err == nil {
			resp.Body.Close()
			t.Errorf("%s: %s", fault, resp.Status)
		}
	}
}

// Faults that are replies.
func TestReplies(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC)
	for _, test := range []struct {
		fault   Fault
		effects int
		status  int
		header  string
		value   string
	}{
		{ApplyThen500{}, 1, 500, "", ""},
		{ApplyThen500{Stored: true}, 1, 500, "", ""},
		{OKWithError{}, 0, 200, "", ""},
		{ReplyStatus{Status: 400}, 0, 400, "Retry-After", ""},
		{ReplyStatus{Status: 409}, 0, 409, "Retry-After", ""},
		{ReplyStatus{Status: 500}, 0, 500, "Retry-After", ""},
		{ReplyStatus{Status: 500, RetryAfter: time.Minute}, 0, 500, "Retry-After", "60"},
		{ReplyStatus{Status: 429}, 0, 429, "Retry-After", "1"},
		{ReplyStatus{Status: 503, RetryAfter: 2100 * time.Millisecond}, 0, 503, "Retry-After", "3"},
		{ReplyStatus{Status: 503, HTTPDate: true}, 0, 503, "Retry-After", "Sun, 01 Mar 2026 12:00:02 GMT"},
		{Redirect{}, 0, 302, "Location", "/followed/7"},
		{Redirect{Status: 301}, 0, 301, "Location", "/followed/7"},
		{Redirect{Status: 303}, 0, 303, "Location", "/followed/7"},
		{Redirect{Status: 307}, 0, 307, "Location", "/followed/7"},
		{Redirect{Status: 308}, 0, 308, "Location", "/followed/7"},
	} {
		t.Run(test.fault.String(), func(t *testing.T) {
			a, url := serve(t, Config{Fault: always(test.fault), Now: func() time.Time { return now }})
			got, err := readReply(dial(t, url, rawSend))
			if err != nil {
				t.Fatal(err)
			}
			if got.status != test.status || !strings.HasPrefix(got.body, `{"error":`) || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("%+v", got)
			}
			if test.header != "" && got.header.Get(test.header) != test.value {
				t.Errorf("%+v", got)
			}
			if a.Effects() != test.effects {
				t.Errorf("%d effects", a.Effects())
			}
		})
	}
}

// A client that follows a redirect is told of a success that never was.
func TestFollowedRedirect(t *testing.T) {
	for status, method := range map[int]string{301: "GET", 302: "GET", 303: "GET", 307: "POST", 308: "POST"} {
		a, url := serve(t, Config{Fault: always(Redirect{Status: status})})
		c := client(t)
		c.CheckRedirect = nil
		resp, err := c.Post(url+sendPath("a%2Fb"), "", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || string(body) != `{"id":"ch_a/b","object":"charge","invoice":"a/b"}` {
			t.Errorf("%d: %s %s %v", status, resp.Status, body, err)
		}
		if resp.Request.Method != method {
			t.Errorf("%d: followed with %s", status, resp.Request.Method)
		}
		if r := a.Invoice("a/b"); r.Followed != 1 || r.Requests != 1 || r.Effects != 0 || a.Counts().Followed != 1 {
			t.Errorf("%d: %+v", status, r)
		}
	}
}

func TestTruncatedBody(t *testing.T) {
	a, url := serve(t, Config{Fault: always(TruncatedBody{})})
	got, err := readReply(dial(t, url, rawSend))
	if !errors.Is(err, io.ErrUnexpectedEOF) || got.status != http.StatusOK || got.body == "" || int64(len(got.body)) >= got.length {
		t.Errorf("%+v, %v", got, err)
	}
	if a.Effects() != 1 {
		t.Errorf("%d effects", a.Effects())
	}
}

func TestSlowDrip(t *testing.T) {
	a, url := serve(t, Config{Idempotent: true, Fault: always(SlowDrip{Every: time.Nanosecond})})
	for _, replayed := range []string{"", "true"} {
		got, err := readReply(dial(t, url, rawSend))
		if err != nil || got.status != http.StatusOK || got.body != `{"id":"ch_7","object":"charge","invoice":"7"}` {
			t.Fatalf("%+v, %v", got, err)
		}
		if got.header.Get("Idempotent-Replayed") != replayed {
			t.Errorf("replayed: %+v", got)
		}
	}
	if a.Effects() != 1 {
		t.Errorf("%d effects", a.Effects())
	}
}

// Closing the API cuts a drip off that would take for ever.
func TestSlowDripAtClose(t *testing.T) {
	a, url := serve(t, Config{Fault: always(SlowDrip{Every: time.Hour})})
	conn := dial(t, url, rawSend)
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil || first[0] != 'H' {
		t.Fatalf("%q, %v", first, err)
	}
	a.Close()
	if rest, err := io.ReadAll(conn); len(rest) != 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
}

// The API notices that its client has gone; nothing else ends the wait here.
func TestApplyThenHangUntilClientLeaves(t *testing.T) {
	struck := make(chan struct{})
	a, url := serve(t, Config{Fault: func(Received) Fault {
		close(struck)
		return ApplyThenHang{}
	}})
	conn := dial(t, url, rawSend)
	<-struck
	_ = conn.Close()
	if err := a.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.Effects() != 1 {
		t.Errorf("%d effects", a.Effects())
	}
}

func TestApplyThenHangUntilClose(t *testing.T) {
	struck := make(chan struct{})
	a, url := serve(t, Config{Fault: func(Received) Fault {
		close(struck)
		return ApplyThenHang{}
	}})
	conn := dial(t, url, rawSend)
	<-struck
	a.Close()
	if got, err := io.ReadAll(conn); len(got) != 0 || err != nil {
		t.Errorf("an answer after all: %q, %v", got, err)
	}
	if a.Effects() != 1 {
		t.Errorf("%d effects", a.Effects())
	}
}

// Look-ups have faults of their own, and no effects.
func TestLookupFaults(t *testing.T) {
	for _, fault := range []Fault{ApplyThen500{Stored: true}, ApplyThenReset{}, ReplyStatus{Status: 503}, TruncatedBody{}} {
		a, url := serve(t, Config{
			LookupFault: func(r Received) Fault {
				if r.Attempt == 1 {
					return fault
				}
				return nil
			},
			Fault: always(ReplyStatus{Status: 500}),
		})
		resp, err := client(t).Get(url + "/v1/invoices/7")
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil && resp.StatusCode < 500 {
			t.Errorf("%s: %s", fault, resp.Status)
		}
		resp, err = client(t).Get(url + "/v1/invoices/7")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if c := a.Counts(); resp.StatusCode != http.StatusNotFound || c.Effects != 0 || c.Requests != 0 || c.Lookups != 2 {
			t.Errorf("%s: %s, %+v", fault, resp.Status, c)
		}
	}
}
