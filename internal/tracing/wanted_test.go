package tracing

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

func TestWanted(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 "
	for env, want := range map[string]struct{ asked, fault bool }{
		"":                             {},
		"OTEL_SERVICE_NAME=x":          {},
		"OTEL_EXPORTER_OTLP_ENDPOINT=": {},
		endpoint:                       {asked: true},
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://collector:4318/v1/traces": {asked: true},
		"OTEL_TRACES_EXPORTER=otlp":                   {asked: true},
		"OTEL_TRACES_EXPORTER=none":                   {},
		endpoint + "OTEL_TRACES_EXPORTER=":            {asked: true},
		endpoint + "OTEL_TRACES_EXPORTER=none":        {},
		endpoint + "OTEL_TRACES_EXPORTER=console":     {fault: true},
		"OTEL_TRACES_EXPORTER=console,otlp":           {asked: true, fault: true},
		endpoint + "OTEL_SDK_DISABLED=true":           {},
		endpoint + "OTEL_SDK_DISABLED=True":           {},
		endpoint + "OTEL_SDK_DISABLED=false":          {asked: true},
		endpoint + "OTEL_SDK_DISABLED=1":              {asked: true}, // the specification: only "true" is true
		endpoint + "OTEL_EXPORTER_OTLP_PROTOCOL=grpc": {fault: true},
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc":            {},
		endpoint + "OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf": {asked: true},
		endpoint + "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf": {fault: true},
	} {
		asked, fault := wanted(environment(env))
		if asked != want.asked || (fault != "") != want.fault {
			t.Errorf("%q: %t, %q", env, asked, fault)
		}
	}
}

func environment(text string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, entry := range strings.Fields(text) {
			if value, found := strings.CutPrefix(entry, name+"="); found {
				return value, true
			}
		}
		return "", false
	}
}

func TestPropagates(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]bool{
		"": true, "OTEL_PROPAGATORS=": true, "OTEL_PROPAGATORS=tracecontext,baggage": true, "OTEL_PROPAGATORS=b3,tracecontext": true,
		"OTEL_PROPAGATORS=none": false, "OTEL_PROPAGATORS=b3": false,
	} {
		if got := propagates(environment(env)); got != want {
			t.Errorf("%q: %t", env, got)
		}
	}
}

// Whoever asks for no traces pays nothing: there is not even a wrapper.
func TestOffIsNothing(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	r := Start(t.Context(), Config{Env: environment(""), Log: zerolog.New(&log)})
	type port struct{ Sender }
	sender := &port{}
	ctx := context.WithValue(t.Context(), port{}, 1)
	r.End(ctx, 0, billing.Summary{})
	if diff := cmp.Diff([]bool{true, true, true, true, true}, []bool{
		r == nil, r.Sender(sender) == Sender(sender), r.Ledger(nil) == nil, r.Claimer(nil) == nil, r.Context(ctx) == ctx,
	}); diff != "" || log.Len() > 0 {
		t.Errorf("%s%s", diff, log.String())
	}
}
