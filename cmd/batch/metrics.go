package main

import (
	"context"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/metrics"
)

const metricsShutdown = 2 * time.Second

// serveMetrics serves the run's metrics at METRICS_ADDR, where it is set. An
// address that is taken, by another run on this host, is no reason not to bill.
func serveMetrics(ctx context.Context, log zerolog.Logger, addr string, m *metrics.Metrics) (stop func()) {
	if addr == "" {
		return func() {}
	}
	bound, shutdown, err := m.Serve(ctx, addr)
	if err != nil {
		log.Warn().Err(err).Msg("can't serve the metrics at METRICS_ADDR")
		return func() {}
	}
	log.Debug().Str("addr", bound).Msg("serving metrics")
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), metricsShutdown)
		defer cancel()
		if err := shutdown(ctx); err != nil {
			log.Debug().Err(err).Msg("ending the metrics' server")
		}
	}
}

// countLeft says how many invoices are left, -1 where that is not known: the
// count can take seconds, which nobody gets for nothing, nor after a SIGTERM.
func countLeft(ctx context.Context, log zerolog.Logger, c settings, s billing.Summary, countPending func(context.Context) (int64, error)) int64 {
	if c.PushgatewayURL == "" || s.Stopped == billing.StoppedBySignal {
		return -1
	}
	n, err := countPending(ctx)
	if err != nil {
		log.Warn().Err(err).Msg("can't count the pending invoices")
		return -1
	}
	return n
}

// pushMetrics sends the run's metrics to PUSHGATEWAY_URL, where it is set. The
// run has ended as it has: a gateway that is away changes nothing about that.
func (a app) pushMetrics(ctx context.Context, log zerolog.Logger, c settings, m *metrics.Metrics) {
	if c.PushgatewayURL == "" {
		return
	}
	if err := m.Push(ctx, c.PushgatewayURL, a.pushGrouping(c)); err != nil {
		log.Warn().Err(err).Msg("can't push the metrics to PUSHGATEWAY_URL")
	}
}

// pushGrouping says whose place a push takes at the gateway. The run's id or the
// pod's name would leave a group there for each night, for ever; the index that
// Kubernetes gives the pods of an Indexed Job keeps those of one run apart and
// comes back the next night. Runners without one share a group: the last to end
// is seen.
func (a app) pushGrouping(c settings) map[string]string {
	grouping := map[string]string{"run_name": c.RunName}
	if index, ok := a.completionIndex(); ok {
		grouping["completion_index"] = strconv.FormatUint(uint64(index), 10)
	}
	return grouping
}
