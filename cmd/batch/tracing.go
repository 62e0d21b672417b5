package main

import (
	"context"

	"billonce/internal/tracing"
)

// startTrace begins the run's trace, where the OTEL_ variables ask for one; else
// it is nil. They are the standard's, and no part of config.
func (e *execution) startTrace(ctx context.Context) *tracing.Run {
	c := e.config
	return tracing.Start(ctx, tracing.Config{
		Env: e.env, RunID: e.id.String(), RunName: c.RunName, Strategy: c.LockStrategy, Version: version(),
		PodName: c.PodName, NodeName: c.NodeName, JobName: c.JobName, Requests: e.client, Log: e.log,
	})
}
