// Package tracing shows a run to OpenTelemetry: a span each for the run, its
// claims, intents, requests and settlings. It is configured by the standard
// OTEL_ variables alone, and does nothing unless they ask for it.
package tracing

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/billonce/billonce/internal/billing"
)

// flushTimeout bounds what a collector that is away adds to a run's end.
const flushTimeout = 3 * time.Second

// Config says whose trace it is.
type Config struct {
	Env                        func(string) (string, bool)
	RunID, RunName, Strategy   string
	Version                    string
	PodName, NodeName, JobName string // empty: not in a pod
	Requests                   Requests
	Log                        zerolog.Logger
}

// Requests says how requests to the billing API are to be called where others
// can read it.
type Requests interface {
	// Operation is what all of them have in common: method, and path with placeholders.
	Operation() (method, route string)
	// PublicURL is the URL of one without secrets.
	PublicURL(m billing.Request) string
}

// Run is the trace of one run. A nil one is of a run that is not traced.
type Run struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	span     trace.Span
	request  requestSpans
	held     held
	warning  *warning
}

// Start begins a run's trace; nil where the environment asks for none. Whatever
// is wrong with it is a warning: invoices are sent all the same.
func Start(ctx context.Context, c Config) *Run {
	asked, fault := wanted(c.Env)
	if fault != "" {
		c.Log.Warn().Msg(fault)
	}
	if !asked {
		return nil
	}
	w := &warning{log: c.Log}
	provider := newProvider(context.WithoutCancel(ctx), c, w)
	if provider == nil {
		return nil
	}
	tracer := provider.Tracer("billonce", trace.WithInstrumentationVersion(c.Version))
	_, span := tracer.Start(ctx, "run", trace.WithAttributes(
		attribute.String("billonce.run.id", c.RunID), attribute.String("billonce.run.name", c.RunName),
		attribute.String("billonce.lock_strategy", c.Strategy)))
	return &Run{
		provider: provider, tracer: tracer, span: span, warning: w,
		request: newRequestSpans(c.Requests, propagates(c.Env)),
		held:    held{about: make(map[billing.InvoiceID]about)},
	}
}

// Context makes what is done under it a part of the run.
func (r *Run) Context(ctx context.Context) context.Context {
	if r == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, r.span)
}

// End ends the run's span, and gives the collector a few seconds to take what it
// has not got yet.
func (r *Run) End(ctx context.Context, code int, s billing.Summary) {
	if r == nil {
		return
	}
	r.span.SetAttributes(semconv.ProcessExitCode(code),
		attribute.Int64("billonce.sent", s.Sent), attribute.Int64("billonce.failed", s.Failed),
		attribute.Int64("billonce.in_doubt", s.InDoubt), attribute.Int64("billonce.retry", s.Retry),
		attribute.Int64("billonce.requests", s.Requests), attribute.Int64("billonce.recovered", s.Recovered))
	if s.Stopped != "" {
		r.span.SetAttributes(attribute.String("billonce.stopped", string(s.Stopped)))
	}
	if code == billing.ExitError {
		r.span.SetStatus(codes.Error, "unexpected error: see the log")
	}
	ended := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	// First, so that the queue, which drops what it has no room for, has room for
	// the span that all others hang from.
	r.warning.note(r.provider.ForceFlush(ctx))
	r.span.End(trace.WithTimestamp(ended))
	r.warning.note(r.provider.Shutdown(ctx))
}
