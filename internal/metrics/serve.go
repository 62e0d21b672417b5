package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const readHeaderTimeout = 5 * time.Second

// Serve serves /metrics, /healthz and /readyz at addr until stop is called. Once
// ctx has ended the run is draining, and not ready. On loopback there are
// profiles too: they tell more than a cluster's other pods need know.
func (m *Metrics) Serve(ctx context.Context, addr string) (bound string, stop func(context.Context) error, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("serve metrics at METRICS_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ctx.Err() != nil {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		mux.HandleFunc("/debug/pprof/", pprof.Index) // heap, goroutine and the like
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}
	served := make(chan error, 1)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			served <- fmt.Errorf("serve metrics: %w", err)
		}
		close(served) // for a second stop
	}()
	return l.Addr().String(), func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if err != nil {
			// A scraper that dawdles keeps its connection no longer than this.
			err = errors.Join(fmt.Errorf("shut the metrics' server down: %w", err), server.Close())
		}
		return errors.Join(err, <-served)
	}, nil
}
