package main

import (
	"context"
	"strconv"
	"time"

	"billonce/internal/billing"
	"billonce/internal/metrics"
)

const metricsShutdown = 2 * time.Second

// serveMetrics serves the run's metrics at METRICS_ADDR, where it is set. An
// address that is taken, by another run on this host, is no reason not to bill.
func (e *execution) serveMetrics(ctx context.Context, m *metrics.Metrics) (stop func()) {
	if e.config.MetricsAddr == "" {
		return func() {}
	}
	addr, shutdown, err := m.Serve(ctx, e.config.MetricsAddr)
	if err != nil {
		e.log.Warn().Err(err).Msg("the metrics are not served")
		return func() {}
	}
	e.log.Debug().Str("addr", addr).Msg("serving metrics")
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), metricsShutdown)
		defer cancel()
		if err := shutdown(ctx); err != nil {
			e.log.Debug().Err(err).Msg("ending the metrics' server")
		}
	}
}

// countPending says how many invoices are left, -1 where that is not known: the
// count can take seconds, which nobody gets for nothing, nor after a SIGTERM.
func (e *execution) countPending(ctx context.Context, s billing.Summary) int64 {
	if e.config.PushgatewayURL == "" || s.Stopped == billing.StoppedBySignal {
		return -1
	}
	n, err := e.store.CountPending(ctx)
	if err != nil {
		e.log.Warn().Err(err).Msg("the pending invoices were not counted")
		return -1
	}
	return n
}

// pushMetrics sends the run's metrics to PUSHGATEWAY_URL, where it is set. The
// run has ended as it has: a gateway that is away changes nothing about that.
func (e *execution) pushMetrics(ctx context.Context, m *metrics.Metrics) {
	if e.config.PushgatewayURL == "" {
		return
	}
	if err := m.Push(context.WithoutCancel(ctx), e.config.PushgatewayURL, e.pushGrouping()); err != nil {
		e.log.Warn().Err(err).Msg("the metrics were not pushed")
	}
}

// pushGrouping says whose place a push takes at the gateway. The run's id or the
// pod's name would leave a group there for each night, for ever; the index that
// Kubernetes gives the pods of an Indexed Job keeps those of one run apart and
// comes back the next night. Runners without one share a group: the last to end
// is seen.
func (e *execution) pushGrouping() map[string]string {
	grouping := map[string]string{"run_name": e.config.RunName}
	if index, ok := e.completionIndex(); ok {
		grouping["completion_index"] = strconv.FormatUint(uint64(index), 10)
	}
	return grouping
}
