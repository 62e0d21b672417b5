package pgstore_test

import (
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
)

// What goes first is no more than one claim: a row claim, whose slots are free only once it
// has ended, would wait for itself.
func TestP8WhatGoesFirstFitsAClaim(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 7)
	a := api{reply: func(r billing.Request, _ int) billing.Reply {
		if r.InvoiceID == "7" {
			return billing.Reply{Outcome: billing.Accepted, Status: 200}
		}
		return billing.Reply{Outcome: billing.Refused, Status: 402}
	}}
	s := newRunner(t, cfg, &a, "row", func(c *engine.Config) { c.Canary, c.Concurrency = 5, 2 }).Run(t.Context(), nil)
	if s.Requests < 5 || s.Sent+s.Failed != s.Requests {
		t.Errorf("%+v", s)
	}
}
