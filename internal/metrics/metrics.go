// Package metrics shows a run to Prometheus: by a page to scrape while it goes
// on, and by a push as it ends, since a CronJob's pod is gone before it is
// scraped.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/push"

	"billonce/internal/billing"
)

const (
	job               = "billonce"
	pushTimeout       = 10 * time.Second
	readHeaderTimeout = 5 * time.Second
)

// Metrics of one run, in a registry of its own.
type Metrics struct {
	registry *prometheus.Registry
	duration *prometheus.HistogramVec
	exit     prometheus.Gauge
	took     prometheus.Gauge
	ended    prometheus.Gauge
	success  prometheus.Gauge
	inDoubt  prometheus.Gauge
	lockLost prometheus.Counter
}

// New returns a run's metrics; tally is read whenever they are looked at.
func New(tally *billing.Tally) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "billonce_request_duration_seconds", Help: "How long requests to the billing API took, by outcome.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"outcome"}),
		exit:     gauge("billonce_run_exit_code", "The last run's exit code."),
		took:     gauge("billonce_run_duration_seconds", "How long the last run took."),
		ended:    gauge("billonce_run_last_end_timestamp_seconds", "When the last run ended."),
		success:  gauge("billonce_run_last_success_timestamp_seconds", "When the last run ended with nothing left to do and nobody needed (exit code 0)."),
		inDoubt:  gauge("billonce_in_doubt", "Pending invoices in doubt that the last run made or met."),
		lockLost: prometheus.NewCounter(prometheus.CounterOpts{Name: "billonce_lock_lost_total", Help: "Runs that stopped because their run lock was lost."}),
	}
	m.registry.MustRegister(tallied{tally}, m.duration, m.exit, m.took, m.ended, m.inDoubt, m.lockLost)
	return m
}

// Finish records how the run ended.
func (m *Metrics) Finish(s billing.Summary, code int, now time.Time) {
	m.exit.Set(float64(code))
	m.took.Set(s.Elapsed.Seconds())
	m.ended.Set(float64(now.Unix()))
	m.inDoubt.Set(float64(s.InDoubt) + float64(s.EarlierInDoubt))
	if s.Stopped == billing.StoppedByLockLost {
		m.lockLost.Inc()
	}
	if code == billing.ExitDone {
		m.success.Set(float64(now.Unix()))
		// Only now: a push of zero would take the last success away.
		m.registry.MustRegister(m.success)
	}
}

// tallied reads the run's counters as they are looked at.
type tallied struct{ tally *billing.Tally }

func deliveries() *prometheus.Desc {
	return prometheus.NewDesc("billonce_deliveries_total", "Deliveries settled by this run, by state.", []string{"state"}, nil)
}

func plain(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

// Describe implements prometheus.Collector.
func (t tallied) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(t, out) }

// Collect implements prometheus.Collector.
func (t tallied) Collect(out chan<- prometheus.Metric) {
	for state, n := range map[billing.State]int64{
		billing.Sent: t.tally.Sent.Load(), billing.Failed: t.tally.Failed.Load(), billing.InDoubt: t.tally.InDoubt.Load(),
	} {
		out <- prometheus.MustNewConstMetric(deliveries(), prometheus.CounterValue, float64(n), string(state))
	}
	for _, c := range []struct {
		name, help string
		n          int64
	}{
		{"billonce_requests_total", "Requests to the billing API.", t.tally.Requests.Load()},
		{"billonce_recovered_total", "Deliveries taken over from a runner that was gone.", t.tally.Recovered.Load()},
		{"billonce_candidates_total", "Invoices that the run tried to lock.", t.tally.Candidates.Load()},
		{"billonce_candidates_held_total", "Of those, the ones that somebody else held.", t.tally.HeldByThem.Load()},
	} {
		out <- prometheus.MustNewConstMetric(plain(c.name, c.help), prometheus.CounterValue, float64(c.n))
	}
	out <- prometheus.MustNewConstMetric(plain("billonce_retry", "Deliveries that wait for another attempt."),
		prometheus.GaugeValue, float64(t.tally.Retry.Load()))
}

// Sender measures another sender.
func (m *Metrics) Sender(next billing.Sender) billing.Sender { return measured{next, m.duration} }

type measured struct {
	next     billing.Sender
	duration *prometheus.HistogramVec
}

// Send implements billing.Sender.
func (s measured) Send(ctx context.Context, msg billing.Message, permit func() error) billing.Reply {
	began := time.Now()
	reply := s.next.Send(ctx, msg, permit)
	if !reply.NotAsked {
		s.duration.WithLabelValues(reply.Outcome.String()).Observe(time.Since(began).Seconds())
	}
	return reply
}

// Serve serves /metrics and /healthz at addr until stop is called.
func (m *Metrics) Serve(ctx context.Context, addr string) (bound string, stop func(context.Context) error, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("METRICS_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	return l.Addr().String(), func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}

// Push sends the metrics to a Pushgateway, under the run's name: the next run of
// that name takes their place, and the gateway does not fill up.
func (m *Metrics) Push(ctx context.Context, gateway, runName string) error {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	err := push.New(gateway, job).Gatherer(m.registry).Grouping("run_name", runName).AddContext(ctx)
	var fault *url.Error
	if errors.As(err, &fault) {
		err = fault.Err // without the URL, which may hold a password
	}
	if err != nil {
		return fmt.Errorf("push metrics to PUSHGATEWAY_URL: %w", err)
	}
	return nil
}
