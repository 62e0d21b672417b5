package tracing

import (
	"slices"
	"strings"
)

// wanted says whether the environment asks for traces, and what it asks for in
// vain (OpenTelemetry specification, Environment Variable Specification). Where
// that has `otlp` as the exporter if none is named, here an endpoint must be:
// billing is not to begin to talk to localhost:4318 with an upgrade.
func wanted(env func(string) (string, bool)) (asked bool, fault string) {
	get := func(name string) string {
		value, _ := env(name)
		return strings.TrimSpace(value) // the specification takes empty for unset
	}
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return false, ""
	}
	exporters := strings.FieldsFunc(get("OTEL_TRACES_EXPORTER"), func(r rune) bool { return r == ',' || r == ' ' })
	unknown := slices.DeleteFunc(slices.Clone(exporters), func(name string) bool { return name == "otlp" || name == "none" })
	switch {
	case len(unknown) > 0:
		fault = "OTEL_TRACES_EXPORTER names an exporter that is not known here, which is left out; write otlp or none"
		fallthrough
	case len(exporters) > 0:
		asked = slices.Contains(exporters, "otlp")
	default:
		asked = get("OTEL_EXPORTER_OTLP_ENDPOINT")+get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	}
	protocol := get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = get("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	if asked && protocol == "grpc" {
		return false, "there are no traces: OTEL_EXPORTER_OTLP_PROTOCOL is grpc, which is not spoken here; write http/protobuf, and the collector's port for it, usually 4318"
	}
	return asked, fault
}

// propagates says whether the API is told the trace (W3C Trace Context), as it is
// unless OTEL_PROPAGATORS leaves that out.
func propagates(env func(string) (string, bool)) bool {
	names, _ := env("OTEL_PROPAGATORS")
	return strings.TrimSpace(names) == "" || slices.ContainsFunc(strings.Split(names, ","), func(name string) bool {
		return strings.TrimSpace(name) == "tracecontext"
	})
}
