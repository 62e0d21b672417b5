package main

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// What a person means by --run, --since and --http-status is decided, and nothing else.
func TestNarrowing(t *testing.T) {
	t.Parallel()
	one, other := uuid.New(), uuid.New()
	now := time.Now()
	all := []desk.Delivery{
		{InvoiceID: "1", RunID: one, HTTPStatus: 404, UpdatedAt: now},
		{InvoiceID: "2", RunID: one, HTTPStatus: 402, UpdatedAt: now},
		{InvoiceID: "3", RunID: other, HTTPStatus: 404, UpdatedAt: now.Add(-48 * time.Hour)},
	}
	for name, c := range map[string]struct {
		narrowing
		want []billing.InvoiceID
	}{
		"all":    {narrowing{}, []billing.InvoiceID{"1", "2", "3"}},
		"status": {narrowing{httpStatus: 404}, []billing.InvoiceID{"1", "3"}},
		"run":    {narrowing{run: other.String()}, []billing.InvoiceID{"3"}},
		"since":  {narrowing{since: "24h"}, []billing.InvoiceID{"1", "2"}},
		"both":   {narrowing{since: "24h", httpStatus: 404}, []billing.InvoiceID{"1"}},
	} {
		var got []billing.InvoiceID
		for _, d := range c.of(slices.Clone(all)) {
			got = append(got, d.InvoiceID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for _, wrong := range []narrowing{{run: "last"}, {since: "yesterday"}, {httpStatus: 9}} {
		if wrong.check(true) == nil {
			t.Errorf("%+v is not refused", wrong)
		}
	}
	if (narrowing{httpStatus: 404}).check(false) == nil {
		t.Error("what narrows is taken beside named invoices")
	}
}
