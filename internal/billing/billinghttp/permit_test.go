package billinghttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

var errWithdrawn = errors.New("the claim's connection is lost")

func TestPermitRefusedWritesNothing(t *testing.T) {
	for _, body := range []string{"row", "none"} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{}, 2)
			s := serveRaw(t, func(c *rawConn) {
				answering(ok)(c)
				ended <- struct{}{}
			})
			c := newClient(t, s.url, func(cfg *Config) { cfg.Body = body })
			refused := func(connections, bytes int64) {
				t.Helper()
				reply := c.Send(context.Background(), message(t, c), func() error {
					// The connection stands: the permit is asked last of all.
					if s.accepted.Load() > connections {
						t.Error("asked before there was a connection")
					}
					return errWithdrawn
				})
				if reply.Outcome != billing.NotSent || !reply.NotAsked || reply.Reason != errWithdrawn.Error() {
					t.Errorf("%+v", reply)
				}
				<-ended // the server has read the connection to its end
				if got := s.bytes.Load(); got != bytes {
					t.Errorf("%d bytes arrived after a refusal", got-bytes)
				}
			}
			refused(1, 0)
			wantOutcome(t, send(t, c), billing.Accepted, "")
			refused(2, s.bytes.Load()) // on a connection that was kept
			if s.requests.Load() != 1 {
				t.Errorf("%d requests, one was permitted", s.requests.Load())
			}
		})
	}
}

func TestPermitRefusedOverTLS(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for _, body := range []string{"row", "none"} {
			t.Run(name+" "+body, func(t *testing.T) {
				t.Parallel()
				var requests, asked atomic.Int64
				s, trust := serveTLS(t, http2, func(_ http.ResponseWriter, r *http.Request) {
					requests.Add(1)
					if r.ProtoAtLeast(2, 0) != http2 {
						t.Errorf("served %s", r.Proto)
					}
				})
				c := newClient(t, s.URL, func(cfg *Config) { cfg.Body = body })
				trust(c)
				for range 20 {
					reply := c.Send(context.Background(), message(t, c), func() error {
						asked.Add(1)
						return errWithdrawn
					})
					if !reply.NotAsked || reply.Outcome != billing.NotSent {
						t.Errorf("%+v", reply)
					}
				}
				wantOutcome(t, send(t, c), billing.Accepted, "")
				if requests.Load() != 1 || asked.Load() != 20 {
					t.Errorf("%d requests, one was permitted; asked %d times of 20", requests.Load(), asked.Load())
				}
			})
		}
	}
}

// What can fail before the request, fails before the permit is asked.
func TestPermitIsAskedAfterTLS(t *testing.T) {
	s, _ := serveTLS(t, true, func(http.ResponseWriter, *http.Request) { t.Error("served") })
	s.Config.ErrorLog = quiet()
	c := newClient(t, s.URL, nil) // does not trust the certificate
	reply := c.Send(context.Background(), message(t, c), func() error {
		t.Error("asked")
		return nil
	})
	wantOutcome(t, reply, billing.NotSent, "certificate")
}

// net/http's writer runs on after RoundTrip has returned for a cancelled
// context. What `not_sent` says must stay true all the same.
func TestSealedGateLetsNothingOut(t *testing.T) {
	aborted := false
	g := &gate{permit: allow, abort: func() { aborted = true }}
	conn := &gatedConn{Conn: brokenConn{taken: 4}}
	conn.gate.Store(g)
	if p := g.seal(); p.begun {
		t.Fatal("begun")
	}
	if n, err := conn.Write([]byte("POST")); n != 0 || !errors.Is(err, errGateSealed) || aborted {
		t.Errorf("wrote %d, %v; aborted: %v", n, err, aborted)
	}
}

// A write of which the kernel took nothing leaves the gate as it was; one of
// which it took a part does not.
func TestFailedWriteAtTheGate(t *testing.T) {
	for _, taken := range []int{0, 3} {
		g := &gate{permit: allow, abort: func() {}}
		conn := &gatedConn{Conn: brokenConn{taken: taken}}
		conn.gate.Store(g)
		if n, err := conn.Write([]byte("POST")); n != taken || err == nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		if p := g.seal(); p.begun != (taken > 0) {
			t.Errorf("%d bytes taken: %+v", taken, p)
		}
	}
}

type brokenConn struct {
	net.Conn
	taken int
}

func (c brokenConn) Write([]byte) (int, error) { return c.taken, net.ErrClosed }

// A reply that was there before the request is not the request's: mostly
// net/http sees that and hangs up, else the gate was still shut.
func TestReplyBeforeRequest(t *testing.T) {
	var arrived sync.Map
	s := serveRaw(t, func(c *rawConn) {
		c.write(ok)
		if req := c.request(); req != nil {
			arrived.Store(req.Header.Get("Idempotency-Key"), true)
		}
	})
	c := newClient(t, s.url, nil)
	m := message(t, c)
	var notSent []string
	for n := range 200 {
		m.IdempotencyKey = strconv.Itoa(n)
		if reply := c.Send(context.Background(), m, allow); reply.Outcome == billing.NotSent {
			notSent = append(notSent, m.IdempotencyKey)
		}
	}
	s.close() // and wait for what is still on its way
	for _, key := range notSent {
		if _, ok := arrived.Load(key); ok {
			t.Errorf("request %s arrived though it was not sent", key)
		}
	}
	t.Logf("%d of 200 not sent", len(notSent))
}
