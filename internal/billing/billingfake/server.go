package billingfake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
)

// Server serves an API on a port of its own.
type Server struct {
	api    *API
	http   *http.Server
	addr   net.Addr
	served chan error
	fresh  freshConns
}

// Listen serves an API until Close. An address without a host means loopback:
// whoever can reach the API can reset the judge.
func Listen(addr string, a *API) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the fake billing API: %w", err)
	}
	addr = net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port)
	// Listening on an address takes no time that could be cut short.
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the fake billing API: %w", err)
	}
	s := &Server{api: a, addr: listener.Addr(), served: make(chan error, 1)}
	s.http = &http.Server{
		Handler:           a,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		ConnState:         s.fresh.note,
		// No ReadTimeout and no WriteTimeout: they would end ApplyThenHang.
	}
	go func() { s.served <- s.http.Serve(listener) }()
	return s, nil
}

// URL is the server's root, without a slash at the end.
func (s *Server) URL() string {
	if tcp, ok := s.addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port)
	}
	return "http://" + s.addr.String()
}

// Close closes the API, lets requests in flight end, and stops listening. When
// ctx ends first, connections are cut.
func (s *Server) Close(ctx context.Context) error {
	s.api.Close()
	s.fresh.closeAll()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("shut the fake billing API down: %w", err), s.http.Close())
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve the fake billing API: %w", served))
	}
	s.served <- http.ErrServerClosed // for a second Close
	return errors.Join(err, s.api.Idle(ctx))
}

// freshConns are connections on which no request has begun. Shutdown gives
// each five seconds, and HTTP clients often keep one in reserve.
type freshConns struct {
	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

func (f *freshConns) note(conn net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if state != http.StateNew {
		delete(f.conns, conn)
		return
	}
	if f.closed {
		_ = conn.Close()
		return
	}
	if f.conns == nil {
		f.conns = map[net.Conn]bool{}
	}
	f.conns[conn] = true
}

func (f *freshConns) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for conn := range f.conns {
		_ = conn.Close()
	}
}
