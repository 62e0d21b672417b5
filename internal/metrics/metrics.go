// Package metrics shows a run to Prometheus: by a page to scrape while it goes
// on, and by a push as it ends, since a CronJob's pod is gone before it is
// scraped.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billonce/billonce/internal/billing"
)

// Metrics of one run, in a registry of its own.
type Metrics struct {
	registry    *prometheus.Registry
	duration    *prometheus.HistogramVec
	throttled   prometheus.Counter
	lockLost    prometheus.Counter
	end         *ending
	pushTimeout time.Duration
}

// New returns a run's metrics; tally is read whenever they are looked at.
//
// None of them bears a label that Push groups by: client_golang refuses to push
// those. A scrape gets the like of them from Prometheus, with the pod's labels.
func New(tally *billing.Tally) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "billonce_request_duration_seconds", Help: "How long requests to the billing API took, by outcome.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"outcome"}),
		throttled:   prometheus.NewCounter(prometheus.CounterOpts{Name: "billonce_throttled_total", Help: "Requests that the billing API answered with: too many."}),
		lockLost:    prometheus.NewCounter(prometheus.CounterOpts{Name: "billonce_lock_lost_total", Help: "Runs that stopped because their run lock was lost."}),
		end:         newEnding(),
		pushTimeout: defaultPushTimeout,
	}
	// All outcomes, seen or not: a push replaces only what it names, and the
	// histogram of an earlier run would stay behind one that sent nothing.
	for _, o := range []billing.Outcome{billing.Accepted, billing.Submitted, billing.Refused, billing.Throttled, billing.NotSent, billing.Unknown} {
		m.duration.WithLabelValues(o.String())
	}
	m.registry.MustRegister(tallied{tally}, m.duration, m.throttled, m.lockLost, m.end)
	return m
}

// Paused are the metrics of a run that found its book paused, and did nothing.
func Paused() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), pushTimeout: defaultPushTimeout}
	paused := prometheus.NewGauge(prometheus.GaugeOpts{Name: pausedName, Help: pausedHelp})
	paused.Set(1)
	m.registry.MustRegister(paused)
	return m
}

const (
	pausedName = "billonce_paused"
	pausedHelp = "1 if the last run found its book paused, by a person."
)

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
	pace := t.tally.Pace.Now(time.Now())
	out <- prometheus.MustNewConstMetric(plain("billonce_waits_total", "Waits that throttled replies asked of the whole runner."),
		prometheus.CounterValue, float64(pace.Waits))
	for _, g := range []struct {
		name, help string
		n          int
	}{
		{"billonce_requests_in_flight", "Requests in flight now.", pace.InFlight},
		{"billonce_requests_allowed", "Requests that may be in flight now: CONCURRENCY, or what throttled replies have left of it.", pace.Allowed},
		{"billonce_requests_last_minute", "Requests that were begun in the last minute.", pace.LastMinute},
	} {
		out <- prometheus.MustNewConstMetric(plain(g.name, g.help), prometheus.GaugeValue, float64(g.n))
	}
	out <- prometheus.MustNewConstMetric(plain("billonce_retry", "Deliveries that wait for another attempt."),
		prometheus.GaugeValue, float64(t.tally.Retry.Load()))
}

// Sender makes requests to the billing API.
type Sender interface {
	Send(ctx context.Context, r billing.Request, permit func() error) billing.Reply
}

// Sender measures another sender.
func (m *Metrics) Sender(next Sender) Sender { return measured{next, m.duration, m.throttled} }

type measured struct {
	next      Sender
	duration  *prometheus.HistogramVec
	throttled prometheus.Counter
}

// Send has the request sent, and measures it.
func (s measured) Send(ctx context.Context, r billing.Request, permit func() error) billing.Reply {
	began := time.Now()
	reply := s.next.Send(ctx, r, permit)
	if !reply.NotAsked {
		s.duration.WithLabelValues(reply.Outcome.String()).Observe(time.Since(began).Seconds())
		if reply.Outcome == billing.Throttled {
			s.throttled.Inc()
		}
	}
	return reply
}
