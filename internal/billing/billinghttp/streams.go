package billinghttp

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http2"
)

// streams is HTTP/2 below net/http's Transport, which dials. net/http's own would
// do, but for two things: it sends again what a server has not processed, or buries the
// server's word for that in a text; and it goes on using a connection on which a request
// has had no reply.
type streams struct {
	transport *http2.Transport
	most      int // requests in flight at one time

	mu    sync.Mutex
	hosts map[string]*host
}

// host is the connections to one server, as net/http sees them: as one.
type host struct {
	mu    sync.Mutex
	conns []*streamConn
}

type streamConn struct {
	*http2.ClientConn
	tls    *tls.Conn
	reused atomic.Bool
}

func newStreams(most int) *streams {
	return &streams{
		transport: &http2.Transport{
			MaxHeaderListSize: maxReplyHeader, IdleConnTimeout: idleTimeout,
			ReadIdleTimeout: pingAfter, PingTimeout: pingTimeout,
		},
		most: most, hosts: map[string]*host{},
	}
}

// take is called with each new connection whose server speaks HTTP/2.
func (s *streams) take(authority string, conn *tls.Conn) http.RoundTripper {
	s.mu.Lock()
	h := s.hosts[authority]
	if h == nil {
		h = &host{}
		s.hosts[authority] = h
	}
	s.mu.Unlock()

	h.mu.Lock()
	defer h.mu.Unlock()
	if h.room() >= s.most { // net/http dials for each request that finds no connection yet
		go func() { _ = conn.Close() }() // says goodbye, which may take a while
		return h
	}
	cc, err := s.transport.NewClientConn(conn)
	if err != nil {
		return lostConn{err}
	}
	h.conns = append(h.conns, &streamConn{ClientConn: cc, tls: conn})
	return h
}

// room is how many requests the connections can carry together.
func (h *host) room() (room int) {
	h.conns = slices.DeleteFunc(h.conns, func(c *streamConn) bool {
		state := c.State()
		return state.Closed || state.Closing // it ends with what is still on it
	})
	for _, c := range h.conns {
		room += int(c.State().MaxConcurrentStreams)
	}
	return room
}

// reserve finds a connection with a free stream; nil: there is none.
func (h *host) reserve() *streamConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		if c.ReserveNewRequest() {
			return c
		}
	}
	return nil
}

// RoundTrip sends a request at most once.
func (h *host) RoundTrip(req *http.Request) (*http.Response, error) {
	c := h.reserve()
	if c == nil {
		return nil, http2.ErrNoCachedConn // on which net/http dials
	}
	ctx := req.Context()
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: c.tls, Reused: c.reused.Swap(true)})
	}
	resp, err := c.ClientConn.RoundTrip(req)
	if err != nil && ctx.Err() != nil {
		// The stream has been reset. Whatever kept its reply away may do so with others.
		c.SetDoNotReuse()
	}
	return resp, err
}

// lostConn is a connection that broke as HTTP/2 began on it.
type lostConn struct{ err error }

func (b lostConn) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

// RoundTripErr is asked by net/http, which then keeps no such connection.
func (b lostConn) RoundTripErr() error { return b.err }

// unprocessed is what golang.org/x/net/http2 says of a stream that its server has not
// processed, and has no name for: above the last stream of a GOAWAY (RFC 9113, 6.8), and
// where the connection had gone before the stream began. If these words change, such a
// request is in doubt, and a test fails.
func unprocessed() []string {
	return []string{
		"http2: Transport received Server's graceful shutdown GOAWAY",
		"http2: Transport received GOAWAY from server ErrCode:",
		"http2: client conn not usable",
		"http2: client conn could not be established",
	}
}

// notProcessed tells whether the server says that it did nothing with a request (RFC
// 9113, 8.7).
func notProcessed(err error) bool {
	if err == nil {
		return false
	}
	var reset http2.StreamError
	if errors.As(err, &reset) {
		return reset.Code == http2.ErrCodeRefusedStream
	}
	return slices.ContainsFunc(unprocessed(), func(words string) bool { return strings.HasPrefix(err.Error(), words) })
}
