package pgstore_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// A key that two pending invoices share is refused before anything is sent. One that is met
// later is set aside, and all others are sent.
func TestP8TwinsStopNobodyElse(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 4)
	execute(t, cfg, "alter table invoices drop constraint invoices_pkey")
	var a api
	runner := newRunner(t, cfg, &a, "advisory", nil)
	execute(t, cfg, "insert into invoices (id, customer, amount_cents, currency, due_date) overriding system value select id, customer, amount_cents, currency, due_date from invoices where id = 2")

	_, err := pgstore.Open(t.Context(), pgstore.Config{Conn: cfg, Book: book.Demo(), RunID: uuid.New(), Strategy: "advisory"})
	if !errors.Is(err, pgstore.ErrNotUnique) || !pgstore.DoesNotFit(err) {
		t.Errorf("twins as a run starts: %v", err)
	}

	s := runner.Run(t.Context(), nil)
	if diff := cmp.Diff(map[billing.InvoiceID]int{"1": 1, "3": 1, "4": 1}, a.requests); diff != "" {
		t.Errorf("requests, -want +got:\n%s", diff)
	}
	if s.Unrendered != 1 || s.ExitCode() != billing.ExitPerson {
		t.Errorf("%+v", s)
	}
}
