package pgstore_test

import (
	"context"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// A row on which the user's SQL fails is found, named and set aside; all others are sent,
// wherever it stands, and however the planner reads the table.
func TestP8RowThatRaisesStopsNobody(t *testing.T) {
	t.Parallel()
	const checked = `create function checked(id bigint) returns boolean language plpgsql as $$ begin
		if id in (1, 4, 39) then raise exception 'no tariff for %', id using errcode = 'TF001'; end if; return true; end $$`
	for name, c := range map[string]struct{ prepare, pending, aside, says string }{
		"predicate": {"", "pending and 100 / (id - 7) <> 1000", "7", "INVOICES_PENDING fails on it: division by zero"},
		"function":  {checked, "pending and checked(id)", "1 4 39", "INVOICES_PENDING fails on it: no tariff for 1"},
		"column": {`alter table invoices rename to raw; create view invoices as
			select *, 1 / (id - 40) as share from raw`, "pending", "40", "its row can't be read: division by zero"},
		"code": {`create function checked(id bigint) returns boolean language plpgsql as $$ begin
			if id = 7 then raise exception 'again' using errcode = '40001'; end if; return true; end $$`, "pending and checked(id)", "7", "INVOICES_PENDING fails on it: again"},
		"view": {`alter table invoices rename to raw; create view invoices as
			select * from raw where 100 / (id - 7) <> 1000`, "pending", "7", "its row can't be read: division by zero"},
		"no index": {`alter table invoices drop constraint invoices_pkey; drop index invoices_pending_idx;
			alter table invoices alter id set not null`, "pending and 100 / (id - 7) <> 1000", "7", "division by zero"},
		"several": {
			"", "pending and ('{1,2}'::int[])[1 + (id % 3 = 0)::int] / (case when id between 10 and 19 then 0 else 1 end) > 0",
			"10 11 12 13 14 15 16 17 18 19", "division by zero",
		},
	} {
		for _, strategy := range []string{"advisory", "row"} {
			t.Run(name+"/"+strategy, func(t *testing.T) {
				t.Parallel()
				cfg := seeded(t, 40)
				if c.prepare != "" {
					execute(t, cfg, c.prepare)
				}
				b := parsed(t, book.Settings{Schema: "billonce", Invoices: "invoices", ID: "id", Pending: c.pending, MarkSent: "pending = false"})
				var a api
				r := newBookRunner(t, cfg, b, &a, strategy, func(c *engine.Config) { c.ClaimSize, c.Spread, c.Place, c.Linger = 10, true, 0.3, 0 })
				s := r.Run(t.Context(), nil)
				var aside []string
				says := ""
				for _, f := range s.FoundSetAside.Invoices {
					aside = append(aside, string(f.ID))
					says += f.Reason + "\n"
				}
				n := len(strings.Fields(c.aside))
				if s.Sent != int64(40-n) || s.Unrendered != int64(n) || s.ExitCode() != billing.ExitPerson || len(aside) != n || !strings.Contains(says, c.says) {
					t.Errorf("%v set aside (%s); summary %+v, exit %d", aside, says, s, s.ExitCode())
				}
				store := r.Ledger.(*pgstore.Store)
				for range 2 {
					if err := store.KeepSetAside(t.Context(), s.FoundSetAside); err != nil {
						t.Fatal(err)
					}
				}
				if got := query[string](t, cfg, "select string_agg(invoice_id::text, ' ' order by invoice_id) from billonce.set_aside"); got != c.aside {
					t.Errorf("kept: %s, want %s", got, c.aside)
				}
				if err := store.KeepSetAside(t.Context(), billing.FoundSetAside{Whole: true}); err != nil || query[int](t, cfg, "select count(*) from billonce.set_aside") != 0 {
					t.Errorf("what is mended is still set aside (%v)", err)
				}
			})
		}
	}
}

// Of what was begun and whose row can't be read any more, nothing is forgotten: what may
// have had its effect comes into doubt, what had none waits for its row.
func TestP2RowThatRaisesAfterItsRequest(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 6)
			leaveSending(t, cfg, "1", "2", "3")
			execute(t, cfg, `update billonce.deliveries set deadline_at = now() - interval '1 minute';
				update billonce.deliveries set state = 'retry', due_at = now() where invoice_id = 2;
				update billonce.deliveries set state = 'sent' where invoice_id = 3`)
			b := parsed(t, book.Settings{Schema: "billonce", Invoices: "invoices", ID: "id", Pending: "pending and 1 / (id / 4) >= 0", MarkSent: "pending = false"})
			var a api
			r := newBookRunner(t, cfg, b, &a, strategy, func(c *engine.Config) { c.Idempotent, c.Linger = true, 0 })
			s := r.Run(context.WithoutCancel(t.Context()), nil)
			if got := states(t, cfg); got != "1:in_doubt 2:retry 3:sent 4:sent 5:sent 6:sent" || s.ExitCode() != billing.ExitPerson {
				t.Errorf("%s, exit %d", got, s.ExitCode())
			}
			if len(s.FoundSetAside.Invoices) != 1 || s.FoundSetAside.Invoices[0].ID != "2" || len(a.requests) != 3 {
				t.Errorf("set aside: %+v, %d requests", s.FoundSetAside, len(a.requests))
			}
		})
	}
}
