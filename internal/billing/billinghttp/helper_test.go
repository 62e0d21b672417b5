package billinghttp

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

func TestMain(m *testing.M) {
	// net/http logs there what servers send unasked.
	log.SetOutput(io.Discard)
	goleak.VerifyTestMain(m)
}

const (
	canary = "sk_live_c4n4ry/Zz9+x" // a token that must not be seen anywhere
	key    = "key-7"
	ok     = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

// newClient is a client of the server at base, with the defaults changed by change.
func newClient(t testing.TB, base string, change func(*Config)) *Client {
	t.Helper()
	cfg := Config{
		URL: base + "/v1/invoices/{id}/send", Method: "POST", Token: canary, Body: "row",
		Timeout: 10 * time.Second, Concurrency: 4, UserAgent: "billonce/test",
	}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// message is the request of invoice 7.
func message(t testing.TB, c *Client) billing.Request {
	t.Helper()
	id := "7"
	inv := billing.Invoice{ID: "7", Row: []byte(`{"id":7}`)}
	for range c.Columns() {
		inv.Columns = append(inv.Columns, &id)
	}
	m, err := c.Render(inv)
	if err != nil {
		t.Fatal(err)
	}
	m.IdempotencyKey = key
	return m
}

func allow() error { return nil }

// send makes one attempt and holds its reply to what every reply must hold to.
func send(t testing.TB, c *Client) billing.Reply {
	t.Helper()
	reply := c.Send(context.Background(), message(t, c), allow)
	checkReply(t, reply)
	return reply
}

func checkReply(t testing.TB, reply billing.Reply) {
	t.Helper()
	if strings.Contains(reply.Reason, canary) || strings.Contains(reply.Reason, canary[:8]) {
		t.Errorf("the reason holds the token: %s", reply.Reason)
	}
	if len(reply.Reason) > 600 || reply.Reason != words.Printable(reply.Reason) {
		t.Errorf("the reason is not a short line: %q", reply.Reason)
	}
	if reply.Outcome == billing.Accepted && (reply.Reason != "" || reply.Status < 200 || reply.Status > 299) {
		t.Errorf("accepted with %+v", reply)
	}
	if reply.Outcome != billing.Accepted && reply.Reason == "" {
		t.Errorf("%s without a reason", reply.Outcome)
	}
}

func wantOutcome(t testing.TB, reply billing.Reply, want billing.Outcome, reason string) {
	t.Helper()
	if reply.Outcome != want || !strings.Contains(reply.Reason, reason) {
		t.Errorf("got %s (%s), want %s (%s)", reply.Outcome, reply.Reason, want, reason)
	}
}

// rawServer is a server that speaks HTTP only as far as its script does.
type rawServer struct {
	url      string
	accepted atomic.Int64 // connections
	requests atomic.Int64 // read in full
	bytes    atomic.Int64
	close    func() // ends its connections, and waits for their scripts
}

// rawConn is one connection of a rawServer.
type rawConn struct {
	net.Conn
	n int64 // its number, from 1
	s *rawServer
	r *bufio.Reader
}

func (c *rawConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.s.bytes.Add(int64(n))
	return n, err
}

// request reads one request to its end; nil if there is none.
func (c *rawConn) request() *http.Request {
	req, err := http.ReadRequest(c.r)
	if err != nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return nil
	}
	c.s.requests.Add(1)
	return req
}

func (c *rawConn) write(text string) bool {
	_, err := io.WriteString(c, text)
	return err == nil
}

// reset closes with RST instead of FIN.
func (c *rawConn) reset() { _ = c.Conn.(*net.TCPConn).SetLinger(0) }

// serveRaw runs script for every connection, and closes it afterwards.
func serveRaw(t testing.TB, script func(c *rawConn)) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{url: "http://" + l.Addr().String()}
	var mu sync.Mutex
	var open []net.Conn
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			c := &rawConn{Conn: conn, n: s.accepted.Add(1), s: s}
			c.r = bufio.NewReader(c)
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				script(c)
			})
		}
	})
	s.close = sync.OnceFunc(func() {
		_ = l.Close()
		mu.Lock()
		for _, conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	t.Cleanup(s.close)
	return s
}

// answering replies to every request with the same bytes.
func answering(text string) func(c *rawConn) {
	return func(c *rawConn) {
		for c.request() != nil && c.write(text) {
		}
	}
}

// serveTLS is a server with a certificate that the returned change trusts.
func serveTLS(t testing.TB, http2 bool, h http.HandlerFunc) (*httptest.Server, func(*Client)) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, func(c *Client) {
		c.transport.TLSClientConfig.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	}
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
