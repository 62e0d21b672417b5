package billingfake

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestListenDefaultsToLoopback(t *testing.T) {
	s, err := Listen(":0", New(Config{}))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") {
		t.Error(s.URL())
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestURLOfUnspecifiedAddress(t *testing.T) {
	s, err := Listen("0.0.0.0:0", New(Config{}))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") {
		t.Error(s.URL())
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestListenRefuses(t *testing.T) {
	s, err := Listen("127.0.0.1:0", New(Config{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"nonsense", "127.0.0.1:99999", strings.TrimPrefix(s.URL(), "http://")} {
		if _, err := Listen(addr, New(Config{})); err == nil || !strings.HasPrefix(err.Error(), "listen for the fake billing API: ") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A connection on which nothing was asked does not hold Close up: Shutdown
// alone would give it five seconds.
func TestCloseWithFreshConnection(t *testing.T) {
	a := New(Config{})
	s, err := Listen("127.0.0.1:0", a)
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, s.URL(), "")
	// Connections are accepted in order: once another one is served, this one is known.
	if _, err := readReply(dial(t, s.URL(), rawSend)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(conn); len(got) != 0 || err != nil && !isClosed(err) {
		t.Errorf("%q, %v", got, err)
	}
}

func isClosed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

// Close cuts the hooks' time when its context ends, and says so.
func TestCloseGivesUp(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	a := New(Config{Before: func(Received) {
		close(arrived)
		<-release
	}})
	s, err := Listen("127.0.0.1:0", a)
	if err != nil {
		t.Fatal(err)
	}
	dial(t, s.URL(), rawSend)
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	close(release)
	if err := a.Idle(t.Context()); err != nil {
		t.Error(err)
	}
}

// Under httptest, too, faults are what they are.
func TestUnderHTTPTest(t *testing.T) {
	for _, secure := range []bool{false, true} {
		a := New(Config{Fault: func(r Received) Fault {
			if r.Attempt == 1 {
				return ApplyThenReset{}
			}
			return nil
		}})
		s := httptest.NewUnstartedServer(a)
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		c := s.Client()
		if resp, err := c.Post(s.URL+sendPath("7"), "", nil); err == nil {
			resp.Body.Close()
			t.Errorf("TLS %t: %s", secure, resp.Status)
		}
		resp, err := c.Post(s.URL+sendPath("7"), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		a.Close()
		s.Close()
		if a.Requests() != 2 || a.Effects() != 2 {
			t.Errorf("TLS %t: %+v", secure, a.Counts())
		}
	}
}
