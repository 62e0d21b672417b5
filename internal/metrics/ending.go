package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billonce/billonce/internal/billing"
)

// End is how a run ended.
type End struct {
	Summary billing.Summary
	Code    int
	At      time.Time
	Pending int64 // invoices left, whatever their deliveries' states; below 0: not counted
	// Database is the one that the run wrote to as it ended.
	Database billing.Identity
}

// ending shows how the run ended, and nothing before it has: a run at work has
// no exit code, and a zero would be read as success. It shows a success only
// where there is one, so that a push leaves the last one's time where it is.
type ending struct {
	exit, took, ended, success, stopped, open, inDoubt, oldest, failed, submitted, pending, paused, database *prometheus.Desc

	end atomic.Pointer[End]
}

func newEnding() *ending {
	return &ending{
		exit:      plain("billonce_run_exit_code", "The last run's exit code."),
		took:      plain("billonce_run_duration_seconds", "How long the last run took."),
		ended:     plain("billonce_run_last_end_timestamp_seconds", "When the last run ended."),
		success:   plain("billonce_run_last_success_timestamp_seconds", "When the last run ended with nothing left to do and nobody needed (exit code 0)."),
		stopped:   prometheus.NewDesc("billonce_run_stopped", "1 for the reason that ended the last run early.", []string{"reason"}, nil),
		open:      plain("billonce_open", "What waited for a person as the last run ended, whoever left it."),
		inDoubt:   plain("billonce_in_doubt", "Deliveries in doubt as the last run ended, whoever left them."),
		oldest:    plain("billonce_in_doubt_oldest_timestamp_seconds", "Since when the oldest of them is in doubt; 0: none is."),
		failed:    plain("billonce_failed", "Deliveries that failed and whose invoices were still pending as the last run ended, whoever left them."),
		submitted: plain("billonce_submitted", "Deliveries that the API has taken and not yet decided as the last run ended, whoever sent them."),
		paused:    plain(pausedName, pausedHelp),
		database:  prometheus.NewDesc("billonce_database_info", "1 for the database that the last run wrote to.", []string{"identity"}, nil),
		pending:   plain("billonce_pending", "Pending invoices as the last run ended."),
	}
}

// Finish records how the run ended. Only exit code 0 is a success: after 3
// invoices wait for a person, and whoever is alerted by the age of the last
// success is to learn of it.
func (m *Metrics) Finish(end End) {
	if m.end.end.Swap(&end) == nil && end.Summary.Stopped == billing.StoppedByLockLost {
		m.lockLost.Inc()
	}
}

// Describe implements prometheus.Collector.
func (e *ending) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{e.exit, e.took, e.ended, e.success, e.stopped, e.open, e.inDoubt, e.oldest, e.failed, e.submitted, e.pending, e.paused, e.database} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (e *ending) Collect(out chan<- prometheus.Metric) {
	end := e.end.Load()
	paused := 0.0 // a run at work is not
	if end != nil && end.Summary.Stopped == billing.StoppedByPause {
		paused = 1
	}
	out <- prometheus.MustNewConstMetric(e.paused, prometheus.GaugeValue, paused)
	if end == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if d := end.Database; d != (billing.Identity{}) {
		gauge(e.database, 1, d.String())
	}
	gauge(e.exit, float64(end.Code))
	gauge(e.took, end.Summary.Elapsed.Seconds())
	gauge(e.ended, float64(end.At.Unix()))
	if s := end.Summary; s.Counted { // else the last number stands
		gauge(e.open, float64(s.Open))
		gauge(e.inDoubt, float64(s.AllOpen.Of[billing.OpenInDoubt]))
		gauge(e.oldest, oldestDoubt(s.AllOpen))
		gauge(e.failed, float64(s.AllOpen.Of[billing.OpenFailed]))
		gauge(e.submitted, float64(s.Submitted))
	}
	if end.Pending >= 0 {
		gauge(e.pending, float64(end.Pending))
	}
	if end.Code == billing.ExitDone {
		gauge(e.success, float64(end.At.Unix()))
	}
	for _, reason := range stopReasons() {
		is := 0.0
		if reason == end.Summary.Stopped {
			is = 1
		}
		gauge(e.stopped, is, string(reason))
	}
}

// oldestDoubt is in seconds since 1970.
func oldestDoubt(o billing.Open) float64 {
	oldest := int64(0)
	for _, g := range o.Groups {
		if g.Kind == billing.OpenInDoubt && (oldest == 0 || g.Since.Unix() < oldest) {
			oldest = g.Since.Unix()
		}
	}
	return float64(oldest)
}

func stopReasons() []billing.StopReason {
	return []billing.StopReason{
		billing.StoppedBySignal, billing.StoppedByDeadline, billing.StoppedByBreaker,
		billing.StoppedByLockLost, billing.StoppedByLimit, billing.StoppedByCanary, billing.StoppedByThrottle, billing.StoppedByPause, billing.StoppedByTable, billing.StoppedByFailover, billing.StoppedByError,
	}
}
