package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"billonce/internal/billing"
)

type claimer struct {
	billing.Claimer
	run *Run
}

// Claim implements billing.Claimer. The span lasts until the claim is released.
// A claim that got nothing has none: what others hold is tried again and again.
func (c claimer) Claim(ctx context.Context, candidates []billing.Candidate) (*billing.Claim, error) {
	began := time.Now()
	claim, err := c.Claimer.Claim(ctx, candidates)
	if err == nil && len(claim.IDs) == 0 {
		return claim, nil
	}
	_, span := c.run.tracer.Start(ctx, "claim", trace.WithTimestamp(began),
		trace.WithAttributes(attribute.Int("billonce.candidates", len(candidates))))
	if err != nil {
		end(span, err)
		return nil, err
	}
	span.SetAttributes(attribute.Int("billonce.claimed", len(claim.IDs)))
	c.run.held.claimed(claim.IDs, span.SpanContext())
	if claim.Settler != nil {
		claim.Settler = settler{claim.Settler, c.run, span.SpanContext()}
	}
	release := claim.Release
	claim.Release = func(ctx context.Context) error {
		err := release(ctx)
		c.run.held.released(claim.IDs)
		end(span, err)
		return err
	}
	return claim, nil
}

type intender struct {
	billing.Intender
	run *Run
}

// Intend implements billing.Intender. Intents are of one claim.
func (i intender) Intend(ctx context.Context, intents []billing.Intent, deadline time.Duration) (map[billing.InvoiceID]struct{}, error) {
	ctx, span := i.run.tracer.Start(under(ctx, i.run.held.of(intents[0].InvoiceID).claim), "intend",
		trace.WithAttributes(attribute.Int("billonce.intents", len(intents))))
	i.run.held.intended(intents)
	ours, err := i.Intender.Intend(ctx, intents, deadline)
	span.SetAttributes(attribute.Int("billonce.committed", len(ours)))
	end(span, err)
	return ours, err
}

type settler struct {
	billing.Settler
	run   *Run
	claim trace.SpanContext // whose settler it is; the zero one: of the run's
}

// Settle implements billing.Settler.
func (s settler) Settle(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
	ctx, span := s.run.tracer.Start(under(ctx, s.claim), "settle", trace.WithLinks(s.run.held.requests(group)...),
		trace.WithAttributes(attribute.Int("billonce.settlements", len(group))))
	came, err := s.Settler.Settle(ctx, group)
	counts := make(map[string]int)
	for i, c := range came {
		counts[nameOf(group[i].State, c)]++
	}
	for name, n := range counts {
		span.SetAttributes(attribute.Int("billonce.settled."+name, n))
	}
	end(span, err)
	return came, err
}

func nameOf(state billing.State, came billing.Settled) string {
	switch came {
	case billing.SettledByAnother:
		return "by_another"
	case billing.NotSettled:
		return "not_settled"
	case billing.SettledFully, billing.SettledInvoiceGone:
	}
	return string(state)
}

func end(span trace.Span, err error) {
	if err != nil {
		span.SetAttributes(semconv.ErrorType(err))
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
