package billingfake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server serves an API on loopback.
type Server struct {
	listener net.Listener
	server   *http.Server
	ended    chan error
}

const readHeaderTimeout = 10 * time.Second

// Listen serves the API at addr; port 0 is any free one.
func Listen(addr string, a *API) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr) //nolint:contextcheck // listening does not wait
	if err != nil {
		return nil, fmt.Errorf("listen for the fake billing API: %w", err)
	}
	s := &Server{listener: l, server: &http.Server{Handler: a, ReadHeaderTimeout: readHeaderTimeout}, ended: make(chan error, 1)}
	go func() { s.ended <- s.server.Serve(l) }()
	return s, nil
}

// URL is the server's base URL.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close ends the server; requests that hang are cut off when ctx ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = s.server.Close()
	}
	if served := <-s.ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
