package billinghttp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"

	"github.com/billonce/billonce/internal/failpoint"
)

var (
	errGateUsed   = errors.New("the request was written before")
	errGateSealed = errors.New("the attempt is over")
)

// gate is what one request must pass on its way to the wire, and the only
// witness of whether it did.
//
// It sits at the connection because net/http offers no earlier place that is
// safe: it writes the header before it first reads a body whose size it knows
// (golang/go#22088), a request without a body has nothing to read, and a
// cancelled context races with the goroutine that writes.
type gate struct {
	permit func() error
	abort  context.CancelFunc // ends the attempt; without it net/http tries the next connection

	mu      sync.Mutex
	begun   bool // a byte may have left
	sealed  bool // the attempt is over: no byte leaves any more
	again   bool // net/http tried to send it a second time
	reused  bool // the last connection had served other requests
	refusal error
	conn    *gatedConn // on which it began; nil: none that we know of
	shared  bool       // by other requests: HTTP/2
}

// passage is what came of a gate.
type passage struct {
	begun, again, reused bool
	refusal              error // the permit's
}

// trace has the gate told which connection the request goes to.
func (g *gate) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: g.gotConn})
}

// gotConn is called before the request is written, by the goroutine that
// called RoundTrip.
func (g *gate) gotConn(info httptrace.GotConnInfo) {
	g.mu.Lock()
	g.reused = info.Reused
	g.mu.Unlock()

	conn, shared := unwrap(info.Conn)
	if conn != nil && !shared {
		conn.gate.Store(g)
		return
	}
	// HTTP/2: the connection carries other requests too, so it can't be held
	// back. Aborting holds this one back: http2 looks at the context once
	// more, under the connection's write lock, before it encodes the header.
	// From here on it counts as begun, which errs to the safe side.
	if g.open() == nil {
		g.began(conn, true)
	}
}

// began notes where the request began.
func (g *gate) began(conn *gatedConn, shared bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conn, g.shared = conn, shared
	if conn != nil {
		conn.owed.Add(1)
	}
}

// answered says that the reply has come, or the server's word that it did nothing.
func (g *gate) answered() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn != nil {
		g.conn.owed.Add(-1)
		g.conn = nil
	}
}

// reset drops what the kernel may still hold of a request that is given up: it must not
// arrive later. An HTTP/2 stream has been reset by then, and others may be in flight
// beside it.
func (g *gate) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn != nil && !g.shared {
		_ = g.conn.Close()
	}
}

// open asks for the permit. Only one caller ever gets nil.
func (g *gate) open() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.sealed:
		return errGateSealed
	case g.refusal != nil:
		return g.refusal
	case g.begun:
		g.again = true
		g.abort()
		return errGateUsed
	}
	if err := g.permit(); err != nil {
		g.refusal = err
		g.abort()
		return err
	}
	g.begun = true
	return nil
}

// shut takes back an opening through which nothing went.
func (g *gate) shut() {
	g.answered()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begun = false
}

// seal ends the attempt and says what came of it. A write that net/http still
// has in store is refused from now on, so what it says stays true.
func (g *gate) seal() passage {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sealed = true
	return passage{begun: g.begun, again: g.again, reused: g.reused, refusal: g.refusal}
}

// gatedConn is a connection whose next write has to pass a gate.
type gatedConn struct {
	net.Conn
	gate   atomic.Pointer[gate] // nil: open; while dialling, and once the request has begun
	owed   atomic.Int64         // requests that began on it and had no reply
	forget func() bool          // by the client, which closes what is left at its end
}

// newGatedConn is conn, for as long as open lasts. From its first byte on its end is a
// reset: a process that is killed leaves nothing behind that the kernel still delivers.
func newGatedConn(conn net.Conn, open context.Context) *gatedConn {
	setLinger(conn, 0)
	c := &gatedConn{Conn: conn}
	c.forget = context.AfterFunc(open, func() { _ = c.close() })
	return c
}

func (c *gatedConn) Close() error {
	c.forget()
	return c.close()
}

// close says goodbye where every request has had its reply, and resets otherwise
// (SO_LINGER, socket(7)): bytes that have not left yet are dropped.
func (c *gatedConn) close() error {
	if c.owed.Load() == 0 {
		setLinger(c.Conn, -1)
	}
	return c.Conn.Close()
}

func setLinger(conn net.Conn, seconds int) {
	if tcp, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(seconds) // it fails only on a connection that has gone
	}
}

func (c *gatedConn) Write(p []byte) (int, error) {
	g := c.gate.Load()
	if g == nil {
		return c.Conn.Write(p)
	}
	if err := g.open(); err != nil {
		return 0, err
	}
	g.began(c, false)
	failpoint.Hit("before_write")
	n, err := c.Conn.Write(p)
	failpoint.Fail("after_write", &err)
	if n == 0 && err != nil {
		// A connection that the server closed while it was idle: the kernel took no byte.
		g.shut()
		return n, err
	}
	c.gate.Store(nil)
	return n, err
}

// unwrap finds our connection below TLS (twice, with a TLS proxy), and whether
// requests share it.
func unwrap(conn net.Conn) (gated *gatedConn, shared bool) {
	if t, ok := conn.(*tls.Conn); ok {
		shared = t.ConnectionState().NegotiatedProtocol == "h2"
	}
	for {
		switch c := conn.(type) {
		case *gatedConn:
			return c, shared
		case *tls.Conn:
			conn = c.NetConn()
		default:
			return nil, shared
		}
	}
}
