package pgstore_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// The ledger of each released version migrates with open deliveries in every state, and
// the next run knows all of them: what is decided or waits for a person is left, and what
// is to be tried again goes out under the key that it has.
func TestEachReleasedLedgerMigrates(t *testing.T) {
	t.Parallel()
	const states = "select string_agg(invoice_id || ':' || state || ':' || coalesce(open_state, '-'), ' ' order by invoice_id) from billonce.deliveries"
	const keys = "select string_agg(idempotency_key::text || key_version, ' ' order by invoice_id) from billonce.deliveries"
	for version := 1; version <= 3; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			cfg := emptyDB(t)
			if err := pgstore.Seed(t.Context(), cfg, 7); err != nil {
				t.Fatal(err)
			}
			ledgerOf(t, cfg, version, "bigint")
			execute(t, cfg, `
				insert into billonce.deliveries
					(invoice_id, idempotency_key, body_sha256, run_id, attempt, run_attempt, first_sent_at, deadline_at, updated_at, due_at, doubtful, state)
				select n, gen_random_uuid(), sha256('a body'), gen_random_uuid(), 1, 1, now() - interval '1 h', now() - interval '1 h', now() - interval '1 h',
					case when state = 'retry' then now() end, state in ('in_doubt', 'sending'), state
				from unnest(array['sent', 'retry', 'failed', 'in_doubt', 'cancelled', 'sending']) with ordinality s (state, n);
				update invoices set pending = false where id = 1`)
			before := query[string](t, cfg, "select string_agg(idempotency_key::text || '1', ' ' order by invoice_id) from billonce.deliveries")

			if m, err := pgstore.Migrate(t.Context(), cfg, book.Demo()); err != nil || int(m.From) != version {
				t.Fatalf("%+v, %v", m, err)
			}
			if got, want := query[string](t, cfg, states), "1:sent:- 2:retry:retry 3:failed:failed 4:in_doubt:in_doubt 5:cancelled:- 6:sending:-"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}

			var a api
			newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Idempotent = true }).Run(t.Context(), nil)
			// The killed one's request can't be made again: its body was another.
			if got, want := query[string](t, cfg, states), "1:sent:- 2:sent:- 3:failed:failed 4:in_doubt:in_doubt 5:cancelled:- 6:in_doubt:in_doubt 7:sent:-"; got != want {
				t.Errorf("after a run:\ngot  %s\nwant %s", got, want)
			}
			if diff := cmp.Diff(map[billing.InvoiceID]int{"2": 1, "7": 1}, a.requests); diff != "" {
				t.Errorf("requests, -want +got:\n%s", diff)
			}
			if after := query[string](t, cfg, keys); after[:len(before)] != before {
				t.Errorf("keys\nwere %s\nare  %s", before, after)
			}
		})
	}
}
