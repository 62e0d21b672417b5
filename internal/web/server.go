package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/desk"
)

// A client that is slower than this holds no connection (each is a goroutine and a
// socket). Live pages have no time-out for writing: they end as their reader leaves.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10 // bytes
	shutdownTime  = 5 * time.Second
)

// Page is what is served of one book.
type Page struct {
	Book       string // how its readers call it
	Desk       Desk
	Opened     Opened
	Decider    desk.Decider
	Pauser     Pauser
	Searcher   Searcher
	Reconciler Reconciler
	Log        zerolog.Logger
}

// Handler is the whole page, behind its guard. Live pages end with ctx.
func Handler(ctx context.Context, c Config, p Page) (http.Handler, error) {
	views, err := parseViews()
	if err != nil {
		return nil, err
	}
	s := &site{Page: p, views: views, searching: make(chan struct{}, 1)}
	s.live = newLive(ctx, p.Desk, s.event, p.Log)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.tonight)
	mux.HandleFunc("GET /invoice", s.invoice)
	mux.HandleFunc("GET /live", s.watch)
	mux.HandleFunc("GET /reconciled", s.reconciled)
	mux.HandleFunc("GET /search", s.search)
	mux.HandleFunc("GET /decide", s.decide)
	mux.HandleFunc("GET /open", s.open)
	mux.HandleFunc("GET /open.csv", s.openCSV)
	mux.HandleFunc("POST /file", s.deciders(s.file))
	mux.HandleFunc("POST /preview", s.deciders(s.preview))
	mux.HandleFunc("POST /confirm", s.deciders(s.confirm))
	mux.HandleFunc("POST /pause", s.deciders(s.pause))
	mux.HandleFunc("POST /resume", s.deciders(s.resume))
	mux.HandleFunc("GET /icon.svg", asset("icon.svg", "image/svg+xml"))
	mux.HandleFunc("GET /style.css", asset("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /live.js", asset("live.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /choose.js", asset("choose.js", "text/javascript; charset=utf-8"))
	return guard(newDoor(c), mux), nil
}

// Serve listens, calls ready with the address, and serves until ctx ends.
func Serve(ctx context.Context, c Config, p Page, ready func(url string)) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.addr)
	if err != nil {
		return fmt.Errorf("listen at SERVE_ADDR: %w", err)
	}
	scheme := "http"
	if c.tls != nil {
		listener, scheme = tls.NewListener(listener, c.tls), "https"
	}
	handler, err := Handler(ctx, c, p)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
	ready(scheme + "://" + listener.Addr().String() + "/")
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve the page: %w", err)
	case <-ctx.Done():
	}
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err = server.Shutdown(down)
	return errors.Join(err, ignoreClosed(<-ended))
}

// ignoreClosed: a server that is shut down says that it is closed.
func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
