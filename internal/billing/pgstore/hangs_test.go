package pgstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// hangs takes far longer on some invoices than any statement may.
const hangs = `create function hangs(id bigint) returns boolean language plpgsql %s as $$ begin
	if id in (1, 19, 40) then perform pg_sleep(600); end if; return true; end $$;`

// A row on which the user's SQL hangs is found, named and set aside, and all others are
// sent; one that hangs as it is marked is unmarked, and all others are marked.
func TestP8RowThatHangsStopsNobody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ volatility, prepare, pending, mark, says string }{
		"predicate": {"volatile", "", "pending and hangs(id)", "pending = false", "INVOICES_PENDING fails on it: it takes longer than 500ms"},
		"column":    {"stable", "alter table invoices rename to raw; create view invoices as select *, hangs(id) as fine from raw", "pending", "pending = false", "its row can't be read: it takes longer than 500ms"},
		"mark":      {"volatile", "", "pending", "pending = not hangs(id)", ""},
	} {
		for _, strategy := range []string{"advisory", "row"} {
			t.Run(name+"/"+strategy, func(t *testing.T) {
				t.Parallel()
				cfg := seeded(t, 40)
				execute(t, cfg, strings.ReplaceAll(hangs, "%s", c.volatility)+c.prepare)
				b := parsed(t, book.Settings{Schema: "billonce", Invoices: "invoices", ID: "id", Pending: c.pending, MarkSent: c.mark})
				r := newStoreRunner(t, pgstore.Config{Conn: cfg, Book: b, Strategy: strategy, RowsTime: time.Second}, &api{}, func(c *engine.Config) { c.Linger = 0 })
				s := r.Run(t.Context(), nil)
				if c.says == "" {
					if s.Sent != 37 || s.Unmarked != 3 || s.ExitCode() != billing.ExitPerson {
						t.Errorf("summary %+v, exit %d", s, s.ExitCode())
					}
					return
				}
				var aside []string
				for _, f := range s.FoundSetAside.Invoices {
					aside = append(aside, string(f.ID))
					if !strings.HasPrefix(f.Reason, c.says) {
						t.Errorf("invoice %s: %s", f.ID, f.Reason)
					}
				}
				if strings.Join(aside, " ") != "1 19 40" || s.Sent != 37 || s.ExitCode() != billing.ExitPerson {
					t.Errorf("%v set aside; summary %+v, exit %d", aside, s, s.ExitCode())
				}
			})
		}
	}
}

// Somebody's lock on the whole table ends a run as one that the next goes on with, and is
// named, where it keeps even the strategy's own lock or the scan away.
func TestP8TableHeldEndsARunInTime(t *testing.T) {
	t.Parallel()
	for strategy, mode := range map[string]string{"row": "exclusive", "advisory": "access exclusive"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 6)
			var a api
			r := newRunner(t, cfg, &a, strategy, func(c *engine.Config) { c.Linger = 0 })
			letGo := hold(t, cfg, "lock table invoices in "+mode+" mode")
			s := r.Run(t.Context(), nil)
			if s.Stopped != billing.StoppedByTable || s.ExitCode() != billing.ExitStopped || !strings.Contains(fmt.Sprint(s.Err), "stock-sync (user ") || len(a.requests) != 0 {
				t.Errorf("%d requests, summary %+v, exit %d", len(a.requests), s, s.ExitCode())
			}
			letGo()
			if s := newRunner(t, cfg, &a, strategy, func(c *engine.Config) { c.Linger = 0 }).Run(t.Context(), nil); s.Sent != 6 {
				t.Errorf("the next run: %+v", s)
			}
		})
	}
}
