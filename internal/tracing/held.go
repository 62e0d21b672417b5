package tracing

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/billonce/billonce/internal/billing"
)

// held knows, for as long as a claim holds an invoice, the spans that are about
// it: the domain's contexts are a run's, not a claim's.
type held struct {
	mu    sync.Mutex
	about map[billing.InvoiceID]about
}

type about struct {
	claim, request trace.SpanContext
	attempt        int
}

func (h *held) claimed(ids []billing.InvoiceID, claim trace.SpanContext) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		h.about[id] = about{claim: claim}
	}
}

func (h *held) released(ids []billing.InvoiceID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		delete(h.about, id)
	}
}

func (h *held) intended(intents []billing.Intent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range intents {
		a := h.about[i.InvoiceID]
		a.attempt = i.Attempt
		h.about[i.InvoiceID] = a
	}
}

func (h *held) requested(id billing.InvoiceID, request trace.SpanContext) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.about[id]
	a.request = request
	h.about[id] = a
}

func (h *held) of(id billing.InvoiceID) about {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.about[id]
}

// requests are what a group of settlements is about. A span has one parent: a
// group, which has many, links to them.
func (h *held) requests(group []billing.Settlement) (links []trace.Link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range group {
		if request := h.about[s.InvoiceID].request; request.IsSampled() {
			links = append(links, trace.Link{SpanContext: request})
		}
	}
	return links
}

// under makes claim the parent, if there is one.
func under(ctx context.Context, claim trace.SpanContext) context.Context {
	if !claim.IsValid() {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, claim)
}
