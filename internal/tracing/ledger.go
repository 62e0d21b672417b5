package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/billonce/billonce/internal/billing"
)

// Claimer locks invoices.
type Claimer interface {
	Claim(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error)
	Close(ctx context.Context) error
}

// Claimer is the same claimer, traced.
func (r *Run) Claimer(next Claimer) Claimer {
	if r == nil {
		return next
	}
	return claimer{next, r}
}

type claimer struct {
	Claimer
	run *Run
}

// Claim traces a claim. The span lasts until the claim is released.
// A claim that got nothing has none: what others hold is tried again and again.
func (c claimer) Claim(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error) {
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
	if settle := claim.Settle; settle != nil {
		claim.Settle = func(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
			ctx, span := c.run.settling(under(ctx, span.SpanContext()), group)
			came, err := settle(ctx, group)
			noteSettled(span, group, came, err)
			return came, err
		}
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

// Ledger is where deliveries are read and written.
type Ledger interface {
	Look(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error)
	Commit(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (billing.Committed, error)
}

// Ledger is the same ledger, traced.
func (r *Run) Ledger(next Ledger) Ledger {
	if r == nil {
		return next
	}
	return ledger{next, r}
}

type ledger struct {
	Ledger
	run *Run
}

// Commit traces a commit: a span for what begins, and one for what ends. What begins is
// of one claim.
func (l ledger) Commit(ctx context.Context, begin []billing.Intent, ends []billing.Settlement) (billing.Committed, error) {
	var intend, settle trace.Span
	if len(begin) > 0 {
		ctx, intend = l.run.tracer.Start(under(ctx, l.run.held.of(begin[0].InvoiceID).claim), "intend",
			trace.WithAttributes(attribute.Int("billonce.intents", len(begin))))
		l.run.held.intended(begin)
	}
	if len(ends) > 0 {
		ctx, settle = l.run.settling(ctx, ends)
	}
	c, err := l.Ledger.Commit(ctx, begin, ends)
	if settle != nil {
		noteSettled(settle, ends, c.Ended, err)
	}
	if intend != nil {
		intend.SetAttributes(attribute.Int("billonce.committed", len(c.Begun)))
		end(intend, err)
	}
	return c, err
}

func (r *Run) settling(ctx context.Context, group []billing.Settlement) (context.Context, trace.Span) {
	return r.tracer.Start(ctx, "settle", trace.WithLinks(r.held.requests(group)...),
		trace.WithAttributes(attribute.Int("billonce.settlements", len(group))))
}

func noteSettled(span trace.Span, group []billing.Settlement, came []billing.Settled, err error) {
	counts := make(map[string]int)
	for i, c := range came {
		counts[nameOf(group[i].State, c)]++
	}
	for name, n := range counts {
		span.SetAttributes(attribute.Int("billonce.settled."+name, n))
	}
	end(span, err)
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
