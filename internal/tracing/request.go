package tracing

import (
	"context"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/billonce/billonce/internal/billing"
)

// requestSpans is what the spans of all requests have in common (OpenTelemetry
// semantic conventions, HTTP client span).
type requestSpans struct {
	Requests
	name   string
	common []attribute.KeyValue
	tells  bool // the API is told the trace
}

func newRequestSpans(r Requests, tells bool) requestSpans {
	method, route := r.Operation()
	return requestSpans{
		Requests: r, name: method + " " + route, tells: tells,
		common: []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(method), semconv.URLTemplate(route)},
	}
}

// Sender makes requests to the billing API.
type Sender interface {
	Send(ctx context.Context, r billing.Request, permit func() error) billing.Reply
}

// Sender is the same sender, traced.
func (r *Run) Sender(next Sender) Sender {
	if r == nil {
		return next
	}
	return sender{next, r}
}

type sender struct {
	Sender
	run *Run
}

// Send traces a request. One that was not begun has no span.
func (s sender) Send(ctx context.Context, m billing.Request, permit func() error) billing.Reply {
	about := s.run.held.of(m.InvoiceID)
	ctx, span := s.run.tracer.Start(under(ctx, about.claim), s.run.request.name, trace.WithSpanKind(trace.SpanKindClient))
	if s.run.request.tells {
		header := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(ctx, header)
		m.TraceParent = header.Get("traceparent")
	}
	reply := s.Sender.Send(ctx, m, permit)
	if reply.NotAsked {
		return reply // no request, no span: what is not ended is not exported
	}
	if span.IsRecording() {
		s.run.held.requested(m.InvoiceID, span.SpanContext())
		span.SetAttributes(s.run.request.common...)
		span.SetAttributes(place(s.run.request.PublicURL(m))...)
		span.SetAttributes(attribute.String("billonce.invoice.id", string(m.InvoiceID)),
			attribute.Int("billonce.attempt", about.attempt), attribute.String("billonce.outcome", reply.Outcome.String()))
		noteReply(span, reply)
	}
	span.End()
	return reply
}

func place(public string) []attribute.KeyValue {
	all := []attribute.KeyValue{semconv.URLFull(public)}
	u, err := url.Parse(public)
	if err != nil {
		return all
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		port = map[string]int{"http": 80, "https": 443}[u.Scheme]
	}
	return append(all, semconv.ServerAddress(u.Hostname()), semconv.ServerPort(port))
}

func noteReply(span trace.Span, reply billing.Reply) {
	fault := reply.Outcome.String()
	if reply.Status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(reply.Status))
	}
	if reply.Status >= 400 {
		fault = strconv.Itoa(reply.Status)
	}
	if !reply.Outcome.IsGood() {
		span.SetAttributes(semconv.ErrorTypeKey.String(fault))
		span.SetStatus(codes.Error, reply.Reason)
	}
}
