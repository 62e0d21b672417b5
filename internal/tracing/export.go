package tracing

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"

	"github.com/go-logr/logr"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// newProvider returns nil, and warns, if there can be none. The SDK reads its
// variables itself; its queue drops what the collector is too slow for, so that
// nothing ever waits for it.
func newProvider(ctx context.Context, c Config, w *warning) *sdktrace.TracerProvider {
	otel.SetLogger(logr.New(discreet{c.Log}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		c.Log.Warn().Err(err).Msg("an OTEL_ variable can't be used, its default is")
	}))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		w.note(err)
		return nil
	}
	// What comes last wins: the environment.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(c.identity()...), resource.WithFromEnv())
	if err != nil {
		c.Log.Warn().Msg("OTEL_RESOURCE_ATTRIBUTES can't be used as a whole; write name=value,name=value")
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(w.note))
	return provider
}

func (c Config) identity() []attribute.KeyValue {
	all := []attribute.KeyValue{semconv.ServiceName("billonce"), semconv.ServiceVersion(c.Version), semconv.ServiceInstanceID(c.RunID)}
	for _, a := range []attribute.KeyValue{semconv.K8SPodName(c.PodName), semconv.K8SNodeName(c.NodeName), semconv.K8SJobName(c.JobName)} {
		if a.Value.AsString() != "" {
			all = append(all, a)
		}
	}
	return all
}

// warning is given once for whatever keeps spans from the collector: a collector
// that is away is so for every batch of them.
type warning struct {
	log  zerolog.Logger
	once sync.Once
}

func (w *warning) note(err error) {
	if err != nil {
		w.once.Do(func() {
			w.log.Warn().Str("reason", reasonOf(err)).Msg("traces don't reach the collector; look at OTEL_EXPORTER_OTLP_ENDPOINT. The run goes on without")
		})
	}
}

// reasonOf quotes neither the collector's URL, in whose path vendors have tokens,
// nor its reply, which may echo a header.
func reasonOf(err error) string {
	var failed *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no reply in time"
	case errors.As(err, &failed):
		return failed.Err.Error()
	}
	if found := regexp.MustCompile(`: ([1-5]\d\d) .*\(body: `).FindStringSubmatch(err.Error()); found != nil {
		code, _ := strconv.Atoi(found[1])
		return "it answered " + found[1] + " " + http.StatusText(code)
	}
	return "it did not take them"
}

// discreet logs what the SDK complains of, without the values: it quotes whole
// headers, tokens and all, and by default to standard error.
type discreet struct{ log zerolog.Logger }

func (d discreet) Init(logr.RuntimeInfo)          {}
func (d discreet) Enabled(int) bool               { return false }
func (d discreet) Info(int, string, ...any)       {}
func (d discreet) WithValues(...any) logr.LogSink { return d }
func (d discreet) WithName(string) logr.LogSink   { return d }
func (d discreet) Error(_ error, what string, _ ...any) {
	d.log.Warn().Str("at", what).Msg("an OTEL_ variable can't be used, its default is")
}
