package pgstore_test

import (
	"testing"

	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

func TestRunSendsEachInvoiceOnce(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		for name, idempotent := range map[string]bool{"idempotent": true, "not_idempotent": false} {
			t.Run(strategy+"/"+name, func(t *testing.T) {
				t.Parallel()
				cfg := newDB(t)
				if err := pgstore.Seed(t.Context(), cfg, 2000); err != nil {
					t.Fatal(err)
				}
				var a api
				r := newRunner(t, cfg, &a, strategy, func(c *engine.Config) { c.Idempotent = idempotent })
				s := r.Run(t.Context(), nil)
				if s.Sent != 2000 || s.ExitCode() != 0 || s.Requests != 2000 || len(a.requests) != 2000 {
					t.Errorf("summary %+v, exit %d, %d invoices", s, s.ExitCode(), len(a.requests))
				}
				t.Log(s.Elapsed)
			})
		}
	}
}
