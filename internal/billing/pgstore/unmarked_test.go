package pgstore_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/engine"
)

// hold runs a statement in a transaction of another application, which stays open until
// what it returns is called.
func hold(t *testing.T, cfg *pgx.ConnConfig, statement string) (letGo func()) {
	t.Helper()
	cfg = cfg.Copy()
	cfg.RuntimeParams["application_name"] = "stock-sync"
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	letGo = func() { _ = conn.Close(context.Background()) }
	t.Cleanup(letGo)
	if _, err := conn.Exec(t.Context(), "begin; "+statement); err != nil {
		t.Fatal(err)
	}
	return letGo
}

// states are the ledger's deliveries.
func states(t *testing.T, cfg *pgx.ConnConfig) string {
	t.Helper()
	return query[string](t, cfg, "select coalesce(string_agg(invoice_id || ':' || state, ' ' order by invoice_id), '') from billonce.deliveries")
}

// Whatever keeps one invoice from being marked, all others are settled at once; it is
// written down as accepted, with what the reply said, is never sent again, and is marked
// by the first run that can.
func TestP8UnmarkedHoldsUpNothing(t *testing.T) {
	t.Parallel()
	const closed = `create function closed() returns trigger language plpgsql as $$ begin
		if new.id = 5 then raise exception 'closed period'; end if; return new; end $$;
		create trigger closed before update on invoices for each row execute function closed()`
	const totals = `create table totals (parity int primary key, n int default 0); insert into totals values (0), (1);
		create function tally() returns trigger language plpgsql as $$ begin
			update totals set n = n + 1 where parity = new.id % 2; return new; end $$;
		create trigger count before update on invoices for each row execute function tally()`
	const view = `alter table invoices rename to raw;
		create view invoices as select distinct * from raw;
		create function mark() returns trigger language plpgsql as $$ begin
			update raw set pending = new.pending, customer = new.customer where id = new.id; return new; end $$;
		create trigger mark instead of update on invoices for each row execute function mark()`
	for name, c := range map[string]struct {
		prepare, hold, letGo string
		unmarked             string
		row                  bool // in the row strategy, too
		says                 string
	}{
		"held":              {hold: "update invoices set customer = 'x' where id = 5", unmarked: "5", says: "stock-sync (user "},
		"held twice":        {hold: "select from invoices where id in (2, 5) for update", unmarked: "2 5", says: "stock-sync (user "},
		"held as a table":   {hold: "lock table invoices in exclusive mode", unmarked: "1 2 3 4 5 6", says: "stock-sync (user "},
		"held for changes":  {hold: "lock table invoices in share mode", unmarked: "1 2 3 4 5 6", row: true, says: "stock-sync (user "},
		"kept from changes": {hold: "lock table invoices in share mode", unmarked: "1 2 3 4 5 6", says: "stock-sync (user "},
		"ends the session": {prepare: `create function fatal() returns trigger language plpgsql as $$ begin
				if new.id = 5 then perform pg_terminate_backend(pg_backend_pid()); end if; return new; end $$;
			create trigger fatal before update on invoices for each row execute function fatal()`, letGo: "drop trigger fatal on invoices", unmarked: "5", row: true, says: "the database refuses to mark it"},
		"held elsewhere": {prepare: totals, hold: "select from totals where parity = 1 for update", unmarked: "1 3 5", row: true, says: "stock-sync (user "},
		"held in a view": {prepare: view, hold: "update raw set customer = 'x' where id = 5", unmarked: "5", says: "stock-sync (user "},
		"refused":        {prepare: closed, letGo: "drop trigger closed on invoices", unmarked: "5", row: true, says: "closed period"},
		"refused at last": {prepare: `create function late() returns trigger language plpgsql as $$ begin if new.id = 5 then raise exception 'closed period'; end if; return null; end $$;
			create constraint trigger closed after update on invoices deferrable initially deferred for each row execute function late()`, letGo: "drop trigger closed on invoices", unmarked: "5", row: true, says: "closed period"},
		"dropped": {prepare: `create function drop() returns trigger language plpgsql as $$ begin if new.id = 5 then return null; end if; return new; end $$;
			create trigger closed before update on invoices for each row execute function drop()`, letGo: "drop trigger closed on invoices", unmarked: "5", row: true, says: "stays pending"},
		"reverted": {prepare: `create function undo() returns trigger language plpgsql as $$ begin if new.id = 5 then new.pending := true; end if; return new; end $$;
			create trigger closed before update on invoices for each row execute function undo()`, letGo: "drop trigger closed on invoices", unmarked: "5", row: true, says: "stays pending"},
		"reverted afterwards": {prepare: `create function undo() returns trigger language plpgsql as $$ begin if new.id = 5 and not new.pending then update invoices set pending = true where id = 5; end if; return null; end $$;
			create trigger closed after update on invoices for each row execute function undo()`, letGo: "drop trigger closed on invoices", unmarked: "5", row: true, says: "stays pending"},
		"by a constraint": {prepare: "alter table invoices add constraint five check (id <> 5 or pending)", letGo: "alter table invoices drop constraint five", unmarked: "5", row: true, says: `"five"`},
		// As a time-out ends it, but at once.
		"takes too long": {prepare: `create function slow() returns trigger language plpgsql as $$ begin
				if new.id = 5 then perform pg_cancel_backend(pg_backend_pid()); perform pg_sleep(60); end if; return new; end $$;
			create trigger slow before update on invoices for each row execute function slow()`, letGo: "drop trigger slow on invoices", unmarked: "5", row: true, says: "longer than 10s"},
		"taken back later": {prepare: closed, letGo: "alter table invoices disable trigger closed; update invoices set pending = false where id = 5", unmarked: "5", says: "closed period"},
	} {
		for _, strategy := range []string{"advisory", "row"} {
			if strategy == "row" && !c.row {
				continue
			}
			t.Run(name+"/"+strategy, func(t *testing.T) {
				t.Parallel()
				cfg := seeded(t, 6)
				b := parsed(t, book.Settings{Schema: "billonce", Invoices: "invoices", ID: "id", Pending: "pending", MarkSent: "pending = false, customer = {reply.id}"})
				if c.prepare != "" {
					execute(t, cfg, c.prepare)
				}
				letGo := func() { execute(t, cfg, c.letGo) }
				a := api{reply: func(m billing.Request, _ int) billing.Reply {
					said := "in_" + string(m.InvoiceID)
					return billing.Reply{Outcome: billing.Accepted, Status: 200, Answer: &billing.Answer{ID: said, Values: []*string{&said}}}
				}}
				r := newBookRunner(t, cfg, b, &a, strategy, func(c *engine.Config) { c.Linger = 0 })
				if c.hold != "" {
					letGo = hold(t, cfg, c.hold)
				}
				s := r.Run(t.Context(), nil)
				left := query[string](t, cfg, "select coalesce(string_agg(invoice_id::text, ' ' order by invoice_id), '') from billonce.deliveries where state = 'unmarked'")
				n := int64(len(strings.Fields(c.unmarked)))
				if left != c.unmarked || s.Unmarked != n || s.Sent != 6-n || s.ExitCode() != billing.ExitPerson {
					t.Errorf("%s; summary %+v, exit %d; want unmarked: %s", states(t, cfg), s, s.ExitCode(), c.unmarked)
				}
				if why := query[string](t, cfg, "select coalesce(min(error), '') from billonce.deliveries where state = 'unmarked'"); !strings.Contains(why, c.says) {
					t.Errorf("the ledger says %q", why)
				}
				letGo()
				r = newBookRunner(t, cfg, b, &a, strategy, func(c *engine.Config) { c.Linger = 0 })
				if s := r.Run(t.Context(), nil); s.Sent != n || s.Unmarked != 0 || s.ExitCode() != billing.ExitDone {
					t.Errorf("the next run: %+v, exit %d", s, s.ExitCode())
				}
				for id, n := range a.requests {
					if n != 1 {
						t.Errorf("%d requests for invoice %s", n, id)
					}
				}
				if got := query[string](t, cfg, "select string_agg(concat_ws(':', id, pending, customer), ' ' order by id) from invoices where customer like 'in%'"); name != "taken back later" &&
					got != "1:f:in_1 2:f:in_2 3:f:in_3 4:f:in_4 5:f:in_5 6:f:in_6" {
					t.Errorf("the invoices: %s", got)
				}
				if got := query[string](t, cfg, "select string_agg(distinct concat_ws('|', state, open_state, error, reply), ' ') from billonce.deliveries"); got != "sent" {
					t.Errorf("the ledger: %s", got)
				}
			})
		}
	}
}

// watched tells as each of its claims is released.
type watched struct {
	engine.Claimer
	released func(*billing.Claimed)
}

func (w watched) Claim(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error) {
	claim, err := w.Claimer.Claim(ctx, candidates)
	if err == nil {
		release := claim.Release
		claim.Release = func(ctx context.Context) error {
			w.released(claim)
			return release(ctx)
		}
	}
	return claim, err
}

// What can't be marked is written down before its claim is released: another runner would
// take what is `sending` and free for a dead one's.
func TestP8UnmarkedIsWrittenBeforeItsClaimIsReleased(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 6)
			execute(t, cfg, "alter table invoices add constraint five check (id <> 5 or pending)")
			r := newRunner(t, cfg, &api{}, strategy, func(c *engine.Config) { c.Linger = 0 })
			made := r.NewClaimer
			r.NewClaimer = func() engine.Claimer {
				return watched{made(), func(claim *billing.Claimed) {
					got := states(t, cfg)
					for _, id := range claim.IDs {
						if strings.Contains(got, string(id)+":sending") {
							t.Errorf("as its claim was released: %s", got)
						}
					}
				}}
			}
			if r.Run(t.Context(), nil); !strings.Contains(states(t, cfg), "5:unmarked") {
				t.Error(states(t, cfg))
			}
		})
	}
}

// A settlement that the ledger itself refuses ends the run as an error: the request is not
// made again and again, and what the reply said stands in the log.
func TestP11ARefusedSettlementIsNoSuccess(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]bool{"without keys": false, "with keys": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 4)
			execute(t, cfg, `create function no() returns trigger language plpgsql as $$ begin
				if new.invoice_id = 2 and new.state <> 'sending' then raise exception 'the ledger is closed'; end if; return new; end $$;
				create trigger no before update on billonce.deliveries for each row execute function no()`)
			var a api
			s := newRunner(t, cfg, &a, "advisory", func(c *engine.Config) { c.Idempotent, c.Linger = keys, 0 }).Run(t.Context(), nil)
			if a.requests["2"] != 1 || s.Sent != 3 || s.NotSettled != 1 || s.ExitCode() != billing.ExitError {
				t.Errorf("%d requests for invoice 2; exit %d, %+v", a.requests["2"], s.ExitCode(), s)
			}
			if got := states(t, cfg); got != "1:sent 2:sending 3:sent 4:sent" {
				t.Error(got)
			}
		})
	}
}
