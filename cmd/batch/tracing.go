package main

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing/billinghttp"
	"github.com/billonce/billonce/internal/tracing"
)

// startTrace begins the run's trace, where the OTEL_ variables ask for one; else
// it is nil. They are the standard's, and no part of config.
func (a app) startTrace(ctx context.Context, log zerolog.Logger, c settings, runID string, client *billinghttp.Client) *tracing.Run {
	return tracing.Start(ctx, tracing.Config{
		Env: a.env, RunID: runID, RunName: c.RunName, Strategy: c.LockStrategy, Version: version(),
		PodName: c.PodName, NodeName: c.NodeName, JobName: c.JobName, Requests: client, Log: log,
	})
}
