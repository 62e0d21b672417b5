package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"billonce/internal/billing"
)

// ending shows how the run ended, and nothing before it has: a run at work has
// no exit code, and a zero would be read as success. It shows a success only
// where there is one, so that a push leaves the last one's time where it is.
type ending struct {
	exit, took, ended, success, inDoubt *prometheus.Desc
	end                                 atomic.Pointer[end]
}

type end struct {
	summary billing.Summary
	code    int
	at      time.Time
}

func newEnding() *ending {
	return &ending{
		exit:    plain("billonce_run_exit_code", "The last run's exit code."),
		took:    plain("billonce_run_duration_seconds", "How long the last run took."),
		ended:   plain("billonce_run_last_end_timestamp_seconds", "When the last run ended."),
		success: plain("billonce_run_last_success_timestamp_seconds", "When the last run ended with nothing left to do and nobody needed (exit code 0)."),
		inDoubt: plain("billonce_in_doubt", "Pending invoices in doubt that the last run made or met."),
	}
}

// Finish records how the run ended. Only exit code 0 is a success: after 3
// invoices wait for a person, and whoever is alerted by the age of the last
// success is to learn of it.
func (m *Metrics) Finish(s billing.Summary, code int, now time.Time) {
	if m.end.end.Swap(&end{s, code, now}) == nil && s.Stopped == billing.StoppedByLockLost {
		m.lockLost.Inc()
	}
}

// Describe implements prometheus.Collector.
func (e *ending) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{e.exit, e.took, e.ended, e.success, e.inDoubt} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (e *ending) Collect(out chan<- prometheus.Metric) {
	end := e.end.Load()
	if end == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(e.exit, float64(end.code))
	gauge(e.took, end.summary.Elapsed.Seconds())
	gauge(e.ended, float64(end.at.Unix()))
	gauge(e.inDoubt, float64(end.summary.InDoubt)+float64(end.summary.EarlierInDoubt))
	if end.code == billing.ExitDone {
		gauge(e.success, float64(end.at.Unix()))
	}
}
