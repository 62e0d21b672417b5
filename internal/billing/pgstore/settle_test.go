package pgstore_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

func sending(t *testing.T, s *pgstore.Store, ids ...billing.InvoiceID) {
	t.Helper()
	intents := make([]billing.Intent, len(ids))
	for i, id := range ids {
		intents[i] = newIntent(id)
	}
	ours, err := intend(t.Context(), s, intents, time.Minute)
	if err != nil || len(ours) != len(ids) {
		t.Fatalf("intend: %v, %v", ours, err)
	}
}

func sent(run uuid.UUID, id billing.InvoiceID) billing.Settlement {
	return billing.Settlement{InvoiceID: id, RunID: run, Attempt: 1, RunAttempt: 1, State: billing.Sent, Status: 200}
}

func settle(t *testing.T, s *pgstore.Store, group ...billing.Settlement) []billing.Settled {
	t.Helper()
	came, err := settlingOf(s)(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	return came
}

func TestSettleMarksInTheSameTransaction(t *testing.T) {
	t.Parallel()
	cfg := newDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 3); err != nil {
		t.Fatal(err)
	}
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, "1", "2", "3")
	refused := sent(run, "2")
	refused.State, refused.Status, refused.Reason = billing.Failed, 402, "no such customer"
	came := settle(t, s, sent(run, "1"), refused)
	if came[0] != billing.SettledFully || came[1] != billing.SettledFully {
		t.Errorf("settled: %v", came)
	}
	got := query[string](t, cfg, `select string_agg(i.id || ':' || i.pending || ':' || d.state || ':' || (i.xmin = d.xmin), ' ' order by i.id)
		from invoices i join billonce.deliveries d on d.invoice_id = i.id where d.state <> 'sending'`)
	if want := "1:false:sent:true 2:true:failed:false"; got != want {
		t.Errorf("invoices and deliveries: %s, want %s", got, want)
	}
	// Written again, as after a commit whose fate was not known, it changes nothing.
	if again := settle(t, s, sent(run, "1")); again[0] != billing.SettledFully {
		t.Errorf("settled again: %v", again)
	}
}

func TestSettleIsGuarded(t *testing.T) {
	t.Parallel()
	cfg := newDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 1); err != nil {
		t.Fatal(err)
	}
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, "1")
	second, _ := openStore(t, cfg, "advisory")
	seen, err := second.Look(t.Context(), []billing.InvoiceID{"1"})
	if err != nil || len(seen) != 1 || seen[0].Delivery == nil {
		t.Fatalf("look: %+v, %v", seen, err)
	}
	takeover := newIntent("1")
	takeover.Attempt, takeover.Seen = 2, seen[0].Delivery
	if ours, err := intend(t.Context(), second, []billing.Intent{takeover}, time.Minute); err != nil || len(ours) != 1 {
		t.Fatalf("take over: %v, %v", ours, err)
	}
	if came := settle(t, s, sent(run, "1")); came[0] != billing.SettledByAnother {
		t.Errorf("the first sender settled %v, want by another", came)
	}
	got := query[string](t, cfg, "select state || ' ' || attempt || ' ' || doubtful || ' ' || i.pending from billonce.deliveries, invoices i")
	if want := "sending 2 true true"; got != want {
		t.Errorf("the delivery is %q, want %q", got, want)
	}
	// Two who saw the same `sending`: one gets it.
	third, _ := openStore(t, cfg, "advisory")
	if ours, err := intend(t.Context(), third, []billing.Intent{takeover}, time.Minute); err != nil || len(ours) != 0 {
		t.Errorf("a second take-over of what has changed meanwhile: %v, %v", ours, err)
	}
}

func TestSettleOfAnInvoiceThatIsGone(t *testing.T) {
	t.Parallel()
	cfg := newDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 2); err != nil {
		t.Fatal(err)
	}
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, "1", "2")
	execute(t, cfg, "delete from invoices where id = 1; update invoices set pending = false where id = 2")
	came := settle(t, s, sent(run, "1"), sent(run, "2"))
	if came[0] != billing.SettledInvoiceGone || came[1] != billing.SettledInvoiceGone {
		t.Errorf("settled: %v, want both gone", came)
	}
	if n := query[int](t, cfg, "select count(*) from billonce.deliveries where state = 'sent'"); n != 2 {
		t.Errorf("%d deliveries sent, want 2", n)
	}
	if marked := query[bool](t, cfg, "select sent_at is not null from invoices where id = 2"); marked {
		t.Error("an invoice that was taken back was marked all the same")
	}
}

// Numbers that do not fit are looked into: each settlement of a mixed group is told
// what came of it.
func TestSettleTellsWhatCameOfEach(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 6)
			s, run := openStore(t, cfg, strategy)
			sending(t, s, "1", "2", "3", "4", "5", "6")
			settle(t, s, sent(run, "4")) // by an earlier try, so to speak
			execute(t, cfg, `update billonce.deliveries set run_id = gen_random_uuid(), attempt = 2 where invoice_id = 2;
				delete from invoices where id = 3`)
			_, by := claimFor(t, s, newClaimer(t, s), "1", "2", "5", "6")
			refused, again := sent(run, "5"), sent(run, "6")
			refused.State, refused.Status, refused.Reason = billing.Failed, 402, "no such customer"
			again.State, again.Status, again.RetryIn = billing.Retry, 429, time.Hour
			came, err := by(t.Context(), []billing.Settlement{
				sent(run, "1"), sent(run, "2"), sent(run, "3"), sent(run, "4"), refused, again,
			})
			want := []billing.Settled{
				billing.SettledFully, billing.SettledByAnother, billing.SettledInvoiceGone,
				billing.SettledFully, billing.SettledFully, billing.SettledFully,
			}
			if err != nil || !slices.Equal(came, want) {
				t.Errorf("settled: %v (%v), want %v", came, err, want)
			}
			got := query[string](t, cfg, "select string_agg(invoice_id || ':' || state, ' ' order by invoice_id) from billonce.deliveries")
			if want := "1:sent 2:sending 3:sent 4:sent 5:failed 6:retry"; got != want {
				t.Errorf("deliveries: %s, want %s", got, want)
			}
			if left := query[string](t, cfg, "select string_agg(id::text, ' ' order by id) from invoices where pending"); left != "2 5 6" {
				t.Errorf("pending: %s, want 2 5 6", left)
			}
		})
	}
}

// A user's trigger that refuses one invoice costs that one, not its group.
func TestSettleTellsTheRefusedOneApart(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			cfg := newDB(t)
			if err := pgstore.Seed(t.Context(), cfg, 7); err != nil {
				t.Fatal(err)
			}
			execute(t, cfg, `create function refuse() returns trigger language plpgsql as $$
				begin if new.id = 3 then raise 'no third invoice'; end if; return new; end $$;
				create trigger refuse before update on invoices for each row execute function refuse()`)
			s, run := openStore(t, cfg, strategy)
			settler := settlingOf(s)
			if strategy == "row" {
				candidates, err := s.Scan(t.Context(), nil, nil, 10)
				if err != nil {
					t.Fatal(err)
				}
				claim, err := newClaimer(t, s).Claim(t.Context(), candidates)
				if err != nil {
					t.Fatal(err)
				}
				settler = claim.Settle
			}
			ids := []billing.InvoiceID{"1", "2", "3", "4", "5", "6", "7"}
			sending(t, s, ids...)
			var group []billing.Settlement
			for _, id := range ids {
				group = append(group, sent(run, id))
			}
			came, err := settler(t.Context(), group)
			if err != nil || !slices.Equal(came, make([]billing.Settled, len(group))) {
				t.Errorf("settled: %v, %v", came, err)
			}
			for _, g := range group {
				if refused := g.State == billing.Unmarked && strings.Contains(g.Reason, "no third invoice"); refused != (g.InvoiceID == "3") {
					t.Errorf("invoice %s is settled as %s, %q", g.InvoiceID, g.State, g.Reason)
				}
			}
			if got := states(t, cfg); got != "1:sent 2:sent 3:unmarked 4:sent 5:sent 6:sent 7:sent" {
				t.Errorf("deliveries: %s", got)
			}
		})
	}
}

// Settling outlives the connection that it began on.
func TestSettleOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	cfg := newDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 2); err != nil {
		t.Fatal(err)
	}
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, "1", "2")
	settle(t, s, sent(run, "1"))
	execute(t, cfg, `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid()`)
	if came := settle(t, s, sent(run, "2")); came[0] != billing.SettledFully {
		t.Errorf("settled: %v", came)
	}
}

// What a try has returned whose commit then failed is nobody's: else two runs
// would both send.
func TestIntentOfAFailedCommitIsNotOurs(t *testing.T) {
	t.Parallel()
	cfg := newDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 1); err != nil {
		t.Fatal(err)
	}
	a, runA := openStore(t, cfg, "advisory")
	b, _ := openStore(t, cfg, "row")
	// A's commits fail, as passing errors do, until B has committed.
	execute(t, cfg, "create table gate ()")
	holder, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(t.Context())
	if _, err := holder.Exec(t.Context(), "begin; lock table gate"); err != nil {
		t.Fatal(err)
	}
	execute(t, cfg, `create sequence tries;
		create function fail_first() returns trigger language plpgsql as $$ begin
			if new.run_id = '`+runA.String()+`' then
				perform nextval('tries');
				lock table gate nowait;
			end if;
			return null; end $$;
		create constraint trigger fail_first after insert on billonce.deliveries
			deferrable initially deferred for each row execute function fail_first()`)
	type result struct {
		ours map[billing.InvoiceID]struct{}
		err  error
	}
	fromA := make(chan result, 1)
	go func() {
		ours, err := intend(t.Context(), a, []billing.Intent{newIntent("1")}, time.Minute)
		fromA <- result{ours, err}
	}()
	for !query[bool](t, cfg, "select is_called from tries") {
		continue // A has tried and failed once
	}
	oursB, err := intend(t.Context(), b, []billing.Intent{newIntent("1")}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got := <-fromA
	if got.err != nil || len(got.ours) != 0 || len(oursB) != 1 {
		t.Errorf("A got %v (%v), B got %v; only B's intent is in the ledger", got.ours, got.err, oursB)
	}
}

// What the API asked for counts from the reply. A row claim's transaction began long
// before it: the wait would be shorter by as much, or over.
func TestRetryWaitsFromItsReply(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 1)
			s, run := openStore(t, cfg, strategy)
			_, by := claimFor(t, s, newClaimer(t, s), "1")
			sending(t, s, "1")
			replied := query[time.Time](t, cfg, "select clock_timestamp()")
			throttled := billing.Settlement{InvoiceID: "1", RunID: run, Attempt: 1, RunAttempt: 1, State: billing.Retry, RetryIn: time.Hour, Status: 429}
			if came, err := by(t.Context(), []billing.Settlement{throttled}); err != nil || came[0] != billing.SettledFully {
				t.Fatalf("settle: %v, %v", came, err)
			}
			due := query[time.Time](t, cfg, "select due_at from billonce.deliveries")
			if short := replied.Add(time.Hour).Sub(due); short > 0 {
				t.Errorf("it is due %s too early", short)
			}
			if at := query[time.Time](t, cfg, "select updated_at from billonce.deliveries"); at.Before(replied) {
				t.Errorf("its record says that it was settled %s before its reply", replied.Sub(at))
			}
		})
	}
}

// A deadline is brought forward by who knows that its request can no longer arrive, and
// never put off.
func TestSettleBringsTheDeadlineForward(t *testing.T) {
	t.Parallel()
	cfg := newDB(t)
	if err := pgstore.Seed(t.Context(), cfg, 4); err != nil {
		t.Fatal(err)
	}
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, "1", "2", "3", "4") // for a minute
	var group []billing.Settlement
	for i, arrives := range []time.Duration{time.Second, time.Hour, 0} {
		group = append(group, billing.Settlement{InvoiceID: billing.InvoiceID([]string{"1", "2", "3"}[i]), RunID: run, Attempt: 1, RunAttempt: 1, State: billing.InDoubt, Doubtful: true, Status: 500, ArrivesIn: arrives})
	}
	settle(t, s, append(group, sent(run, "4"))...)
	got := query[string](t, cfg, `select string_agg(invoice_id || case when deadline_at < now() + interval '30 s' then ':soon' when deadline_at < now() + interval '5 min' then ':a minute' else ':late' end, ' ' order by invoice_id) from billonce.deliveries`)
	if want := "1:soon 2:a minute 3:a minute 4:a minute"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
