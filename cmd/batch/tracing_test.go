package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
)

// collector is an OTLP/HTTP receiver.
type collector struct {
	t   testing.TB
	url string

	mu       sync.Mutex
	bytes    strings.Builder // of all requests
	resource map[string]string
	spans    []*tracepb.Span
	refused  int // requests to refuse: their status
}

func newCollector(t testing.TB, refuse int) *collector {
	t.Helper()
	c := &collector{t: t, resource: map[string]string{}, refused: refuse}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var batch collectorpb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &batch)
	}
	if err != nil || r.Method != http.MethodPost {
		c.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes.Write(body)
	for _, rs := range batch.GetResourceSpans() {
		for _, a := range rs.GetResource().GetAttributes() {
			c.resource[a.GetKey()] = text(a.GetValue())
		}
		for _, ss := range rs.GetScopeSpans() {
			c.spans = append(c.spans, ss.GetSpans()...)
		}
	}
	if c.refused != 0 {
		http.Error(w, "you sent "+r.Header.Get("Api-Key"), c.refused)
	}
}

// named are the spans of a name.
func (c *collector) named(name string) (found []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	return found
}

func text(v *commonpb.AnyValue) string {
	if _, ok := v.GetValue().(*commonpb.AnyValue_IntValue); ok {
		return fmt.Sprint(v.GetIntValue())
	}
	return v.GetStringValue()
}

func attributes(s *tracepb.Span) map[string]string {
	all := map[string]string{}
	for _, a := range s.GetAttributes() {
		all[a.GetKey()] = text(a.GetValue())
	}
	return all
}

func spanIDs(spans []*tracepb.Span) (ids []string) {
	for _, s := range spans {
		ids = append(ids, string(s.GetSpanId()))
	}
	return ids
}

// wantParents holds each of the spans to have one of these as its parent.
func wantParents(t *testing.T, what string, spans []*tracepb.Span, parents []string) {
	t.Helper()
	if len(spans) == 0 {
		t.Errorf("no span %s", what)
	}
	for _, s := range spans {
		if !slices.Contains(parents, string(s.GetParentSpanId())) {
			t.Errorf("%s: its parent is %x, want one of %x", what, s.GetParentSpanId(), parents)
		}
	}
}

// told is the traceparent that the API has seen of each invoice.
type told struct{ seen sync.Map }

func (o *told) config() billingfake.Config {
	return billingfake.Config{Before: func(r billingfake.Received) { o.seen.Store(r.Invoice, r.Header.Get("Traceparent")) }}
}

func (o *told) all() map[string]string {
	all := map[string]string{}
	o.seen.Range(func(invoice, parent any) bool {
		all[invoice.(string)] = parent.(string)
		return true
	})
	return all
}

func TestATraceGoesFromTheRunToTheAPI(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		api, c := new(told), newCollector(t, 0)
		b := newBook(t, 5, api.config())
		p := b.start(strategy, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.url, "POD_NAME=billonce-abcde", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test",
			"BILLING_URL="+strings.Replace(b.env["BILLING_URL"], "://", "://user:p4ss-s3cr3t@", 1)+"?key=k3y-s3cr3t")
		p.wantExit(billing.ExitDone)

		run, claims, requests := c.named("run"), c.named("claim"), c.named("POST /v1/invoices/{id}/send")
		if len(run) != 1 || len(run[0].GetParentSpanId()) != 0 || attributes(run[0])["process.exit.code"] != "0" || attributes(run[0])["billonce.sent"] != "5" {
			t.Fatalf("the run: %v", run)
		}
		settledBy := spanIDs(run)
		if strategy == "LOCK_STRATEGY=row" {
			settledBy = spanIDs(claims)
		}
		wantParents(t, "claim", claims, spanIDs(run))
		wantParents(t, "intend", c.named("intend"), spanIDs(claims))
		wantParents(t, "request", requests, spanIDs(claims))
		wantParents(t, "settle", c.named("settle"), settledBy)

		var linked []string
		for _, s := range c.named("settle") {
			for _, l := range s.GetLinks() {
				linked = append(linked, string(l.GetSpanId()))
			}
		}
		slices.Sort(linked)
		want := spanIDs(requests)
		slices.Sort(want)
		if diff := cmp.Diff(want, linked); diff != "" {
			t.Errorf("settled (-requests +links):\n%s", diff)
		}

		parents := map[string]string{}
		for _, s := range requests {
			a := attributes(s)
			parents[a["billonce.invoice.id"]] = "00-" + hex.EncodeToString(s.GetTraceId()) + "-" + hex.EncodeToString(s.GetSpanId()) + "-01"
			for name, value := range map[string]string{
				"http.request.method": "POST", "http.response.status_code": "200", "server.address": "127.0.0.1",
				"billonce.outcome": "accepted", "billonce.attempt": "1", "error.type": "",
				"url.full": strings.Replace(b.env["BILLING_URL"], "{id}", a["billonce.invoice.id"], 1) + "?***",
			} {
				if a[name] != value {
					t.Errorf("a request's %s is %q, want %q", name, a[name], value)
				}
			}
			if s.GetKind() != tracepb.Span_SPAN_KIND_CLIENT || string(s.GetTraceId()) != string(run[0].GetTraceId()) {
				t.Errorf("a request: %v", s)
			}
		}
		if diff := cmp.Diff(parents, api.all()); diff != "" || len(parents) != 5 {
			t.Errorf("what the API is told (-spans +seen):\n%s", diff)
		}
		if c.resource["service.name"] != "billonce" || c.resource["k8s.pod.name"] != "billonce-abcde" || c.resource["deployment.environment.name"] != "test" {
			t.Errorf("the resource is %v", c.resource)
		}
		if strings.Contains(c.bytes.String(), "s3cr3t") {
			t.Error("a secret is in the trace")
		}
	})
}

func TestASpanSaysWhatWentWrong(t *testing.T) {
	t.Parallel()
	c := newCollector(t, 0)
	b := newBook(t, 1, billingfake.Config{Fault: func(billingfake.Received) billingfake.Fault { return billingfake.ReplyStatus{Status: 400} }})
	p := b.start("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + c.url + "/any/path")
	p.wantExit(billing.ExitPerson)
	requests := c.named("POST /v1/invoices/{id}/send")
	if len(requests) != 1 || requests[0].GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR ||
		attributes(requests[0])["error.type"] != "400" || attributes(requests[0])["billonce.outcome"] != "refused" {
		t.Errorf("the request: %v", requests)
	}
	if run := c.named("run"); len(run) != 1 || attributes(run[0])["process.exit.code"] != "3" {
		t.Errorf("the run: %v", run)
	}
}

// Nobody's spans or headers go anywhere unless that is asked for.
func TestNothingIsTracedUnlessAskedFor(t *testing.T) {
	t.Parallel()
	endpoint := "OTEL_EXPORTER_OTLP_ENDPOINT="
	for name, c := range map[string]struct {
		env     []string
		parent  string // what the traceparent ends with
		warning string
	}{
		"by default":             {},
		"no endpoint":            {env: []string{"OTEL_SERVICE_NAME=nightly", "OTEL_EXPORTER_OTLP_TIMEOUT=1000", "OTEL_TRACES_SAMPLER=always_on"}},
		"disabled":               {env: []string{endpoint, "OTEL_SDK_DISABLED=true"}},
		"no exporter":            {env: []string{endpoint, "OTEL_TRACES_EXPORTER=none"}},
		"an exporter we lack":    {env: []string{endpoint, "OTEL_TRACES_EXPORTER=zipkin"}, warning: "OTEL_TRACES_EXPORTER"},
		"a protocol we lack":     {env: []string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, warning: "http/protobuf"},
		"sampled out":            {env: []string{endpoint, "OTEL_TRACES_SAMPLER=always_off"}, parent: "-00"},
		"sampled out by a ratio": {env: []string{endpoint, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0"}, parent: "-00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, receiver := new(told), newCollector(t, 0)
			b := newBook(t, 1, api.config())
			for i, e := range c.env {
				if e == endpoint {
					c.env[i] += receiver.url
				}
			}
			p := b.start(c.env...)
			p.wantExit(billing.ExitDone)
			if n := receiver.bytes.Len(); n > 0 {
				t.Errorf("the collector got %d bytes", n)
			}
			if parent := api.all()["1"]; (parent == "") != (c.parent == "") || !strings.HasSuffix(parent, c.parent) {
				t.Errorf("the API is told %q, want …%q", parent, c.parent)
			}
			if warned := warnings(p); len(warned) > 1 || (len(warned) == 1) != (c.warning != "") || !strings.Contains(strings.Join(warned, ""), c.warning) {
				t.Errorf("warnings: %q", warned)
			}
		})
	}
}

func TestTheAPINeedNotBeTold(t *testing.T) {
	t.Parallel()
	api, c := new(told), newCollector(t, 0)
	b := newBook(t, 1, api.config())
	b.start("OTEL_EXPORTER_OTLP_ENDPOINT="+c.url, "OTEL_PROPAGATORS=none").wantExit(billing.ExitDone)
	if parent := api.all()["1"]; parent != "" || len(c.named("run")) != 1 {
		t.Errorf("the API is told %q; %d runs are traced", parent, len(c.named("run")))
	}
}

// Whatever is wrong with the collector is one warning, before the summary, and
// changes nothing about the run. That of one that never answers ends at all:
// each time-out but ours is an hour.
func TestACollectorInTroubleIsOneWarning(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is the end of the connection seen
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	for name, c := range map[string]struct{ url, reason string }{
		"away":      {"http://127.0.0.1:1/receiver/s3cr3t", "connection refused"},
		"silent":    {silent.URL + "/receiver/s3cr3t", "no reply in time"},
		"refuses":   {newCollector(t, http.StatusUnauthorized).url, "it answered 401 Unauthorized"},
		"no URL":    {"127.0.0.1:4318:s3cr3t", "parse url"},
		"no scheme": {"localhost:1", "no Host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBook(t, 3, billingfake.Config{})
			p := b.start("OTEL_EXPORTER_OTLP_ENDPOINT="+c.url, "OTEL_EXPORTER_OTLP_HEADERS=api-key=h34d-s3cr3t,s3cr3t",
				"OTEL_EXPORTER_OTLP_TIMEOUT=3600000", "OTEL_BSP_EXPORT_TIMEOUT=3600000", "OTEL_BSP_SCHEDULE_DELAY=3600000")
			p.wantExit(billing.ExitDone)
			b.wantStates("sent/false=3")
			lines := p.lines()
			if last := lines[len(lines)-1]; last["summary"] == nil {
				t.Errorf("the last line is no summary: %v", last)
			}
			warned := warnings(p)
			about := slices.DeleteFunc(slices.Clone(warned), func(line string) bool { return !strings.Contains(line, "don't reach the collector") })
			if !strings.Contains(strings.Join(warned, ""), c.reason) || len(about) != 1 {
				t.Errorf("want one warning with %q: %q", c.reason, warned)
			}
			if strings.Contains(p.output(), "s3cr3t") {
				t.Error("a secret is in the log")
			}
		})
	}
}

func warnings(p *proc) (all []string) {
	for line := range strings.Lines(p.output()) {
		if strings.Contains(line, `"level":"warn"`) {
			all = append(all, line)
		}
	}
	return all
}
