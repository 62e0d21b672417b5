package pgdesk_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
)

const keys = `select string_agg(invoice_id || ':' || state || ' v' || key_version || ' use ' || key_use, ', ' order by invoice_id) from billonce.deliveries`

// decide decides as `batch resolve` does.
func decide(t *testing.T, d *pgdesk.Desk, id billing.InvoiceID, r billing.Resolution) desk.Change {
	t.Helper()
	r.By, r.Reason = "ada@desk", "I looked"
	change, err := desk.Decide(t.Context(), d, read(t, d, id), r)
	if err != nil {
		t.Fatal(err)
	}
	return change
}

// answering is an API that answers the first requests for an invoice so, and accepts the rest.
func answering(outcomes map[billing.InvoiceID][]billing.Outcome) *api {
	a := &api{}
	a.answer = func(id billing.InvoiceID, n int) billing.Reply {
		all := outcomes[id]
		if n > len(all) {
			return billing.Reply{Outcome: billing.Accepted, Status: 200}
		}
		status := map[billing.Outcome]int{billing.Refused: 402, billing.NotSent: 429}[all[n-1]]
		return billing.Reply{Outcome: all[n-1], Status: status, Reason: "as the test wants it"}
	}
	return a
}

// P1: a second key is made only where it is certain that nothing under the first one had
// its effect: what was refused gets one, but not if an attempt before it was in doubt,
// however that was cleared, nor where that is not known, nor what is in doubt itself.
func TestP1AnotherKeyOnlyAfterAnswers(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 6)
	a := answering(map[billing.InvoiceID][]billing.Outcome{
		"1": {billing.Refused}, "2": {billing.NotSent, billing.Refused}, "3": {billing.Unknown, billing.Refused},
		"4": {billing.Unknown}, "5": {billing.Refused}, "6": {billing.Refused},
	})
	newRunner(t, cfg, a, true).Run(t.Context(), nil)
	if got, want := query[string](t, cfg, keys), "1:failed v1 use 1, 2:failed v1 use 1, 3:in_doubt v1 use 0, 4:sent v1 use 0, 5:failed v1 use 1, 6:failed v1 use 1"; got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	// 5 and 6 an older program had: it does not write what its attempts came to.
	execute(t, cfg, deadlinePasses+`;
		insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, finished_at)
		select gen_random_uuid(), 'invoices', 'advisory', 'shared', 'billonce/old', '0.9', now();
		update billonce.deliveries set run_id = (select run_id from billonce.runs where program is null) where invoice_id in (5, 6);
		update billonce.deliveries set attempt = 2 where invoice_id = 6`)
	d := openDesk(t, cfg)
	for _, id := range []billing.InvoiceID{"1", "2", "3", "5", "6"} {
		if c := decide(t, d, id, billing.Resolution{To: billing.Retry}); c.Refusal != "" {
			t.Errorf("%+v", c)
		}
	}
	if got, want := query[string](t, cfg, keys), "1:retry v2 use 2, 2:retry v2 use 2, 3:retry v1 use 0, 4:sent v1 use 0, 5:retry v2 use 2, 6:retry v1 use 1"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	newRunner(t, cfg, a, true).Run(t.Context(), nil)
	if got := ledger(t, cfg); got != "1:sent 2:sent 3:sent 4:sent 5:sent 6:sent" {
		t.Error(got)
	}
	if got, want := query[int](t, cfg, "select count(distinct idempotency_key)::int from billonce.deliveries"), 6; got != want || len(a.keys) != 9 {
		t.Errorf("%d keys in the ledger, %d asked for", got, len(a.keys))
	}
	// The history says which key each attempt had.
	for key, id := range a.keys {
		if !query[bool](t, cfg, `select exists (select from billonce.deliveries where invoice_id = $1 and idempotency_key = $2) or
			exists (select from billonce.history where invoice_id = $1 and idempotency_key = $2 and kind = 'attempt')`, string(id), key) {
			t.Errorf("nothing says that %s had the key %s", id, key)
		}
	}
}

// A row that is rightly pending once more is sent once more, under another key: nothing
// that is known of the first effect counts for the second.
func TestP1AgainIsAnotherDelivery(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	a := &api{}
	first := newRunner(t, cfg, a, true)
	first.Run(t.Context(), nil)
	execute(t, cfg, "update billonce.deliveries set reply_id = 'inv_1'; update invoices set pending = true where id in (1, 3)")
	d := openDesk(t, cfg)
	again := billing.Resolution{To: billing.Retry, Again: true}
	if c := decide(t, d, "2", again); !strings.Contains(c.Refusal, "its invoice is not pending") {
		t.Errorf("%+v", c)
	}
	if c := decide(t, d, "1", again); c.To != billing.Retry || !strings.Contains(c.Note, "another idempotency key") {
		t.Errorf("%+v", c)
	}
	if c := decide(t, d, "3", billing.Resolution{To: billing.Sent}); c.To != billing.Sent || query[bool](t, cfg, "select pending from invoices where id = 3") {
		t.Errorf("%+v, or the invoice is not marked", c)
	}
	if reply := query[bool](t, cfg, "select reply_id is null from billonce.deliveries where invoice_id = 1"); !reply {
		t.Error("the first effect's id is still its own")
	}
	// A late reply to the attempt of which a person had said that it was sent.
	late := settle(t, first.ports.Ledger, billing.Settlement{InvoiceID: "1", RunID: first.cfg.RunID, Attempt: 1, RunAttempt: 1, State: billing.Sent, Status: 200})
	if late[0] != billing.SettledByAnother || query[string](t, cfg, "select state from billonce.deliveries where invoice_id = 1") != "retry" {
		t.Errorf("the first effect's reply counts for the second: %v", late)
	}
	seen, err := first.ports.Ledger.Look(t.Context(), []billing.InvoiceID{"1"})
	if err != nil || len(seen) != 1 || !seen[0].Delivery.Again || seen[0].Delivery.KeyVersion != 2 {
		t.Errorf("%+v, %v", seen, err)
	}
	newRunner(t, cfg, a, true).Run(t.Context(), nil)
	if a.requests["1"] != 2 || a.requests["2"] != 1 || a.requests["3"] != 1 || len(a.keys) != 4 {
		t.Errorf("requests %v under %d keys", a.requests, len(a.keys))
	}
}

// No run of an older program meets a key that it would compute otherwise: while one is
// unfinished none is made, and then none begins any more.
func TestP1NoOtherKeyBesideAnOlderProgram(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	a := answering(map[billing.InvoiceID][]billing.Outcome{"1": {billing.Refused}})
	newRunner(t, cfg, a, true).Run(t.Context(), nil)
	older := func() error {
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), `insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version)
			values ($1, 'invoices', 'advisory', 'shared', 'billonce/old', '0.9')`, uuid.New())
		return err
	}
	if err := older(); err != nil {
		t.Fatal(err)
	}
	execute(t, cfg, "update invoices set pending = true")
	d := openDesk(t, cfg)
	if c := decide(t, d, "2", billing.Resolution{To: billing.Retry, Again: true}); !strings.Contains(c.Refusal, "one is unfinished (billonce/old)") {
		t.Errorf("%+v", c)
	}
	if c := decide(t, d, "1", billing.Resolution{To: billing.Retry}); !strings.Contains(c.Note, "under the same idempotency key") {
		t.Errorf("%+v", c)
	}
	// The statement holds the rule by itself.
	came, err := d.Resolve(t.Context(), read(t, d, "2"), decision(billing.Retry), billing.Ruling{To: billing.Retry, KeyVersion: 2, ClearsDoubt: true})
	if err != nil || came != billing.ResolvedByAnother {
		t.Errorf("%v, %v", came, err)
	}
	if got := query[string](t, cfg, keys); got != "1:retry v1 use 1, 2:sent v1 use 1" {
		t.Error(got)
	}
	execute(t, cfg, "update billonce.runs set finished_at = now() where program is null")
	if c := decide(t, d, "2", billing.Resolution{To: billing.Retry, Again: true}); c.To != billing.Retry {
		t.Errorf("%+v", c)
	}
	if err := older(); err == nil || !strings.Contains(err.Error(), "run the newer program") {
		t.Errorf("a run of an older program may begin: %v", err)
	}
}

// What was cancelled is again what it was.
func TestReopen(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	inDoubt(t, cfg, "1")
	settledAs(t, cfg, billing.Failed, "2")
	execute(t, cfg, deadlinePasses)
	d := openDesk(t, cfg)
	const states = "select string_agg(invoice_id || ':' || state || ' ' || coalesce(open_state, '-') || ' ' || doubtful, ', ' order by invoice_id) from billonce.deliveries"
	before := query[string](t, cfg, states)
	for _, r := range []billing.Resolution{{To: billing.Cancelled}, {}, {To: billing.Cancelled}, {}} {
		for _, id := range []billing.InvoiceID{"1", "2"} {
			if c := decide(t, d, id, r); c.Refusal != "" {
				t.Fatalf("%+v", c)
			}
		}
	}
	if after := query[string](t, cfg, states); after != before || before != "1:in_doubt in_doubt true, 2:failed failed false" {
		t.Errorf("was %s, is %s", before, after)
	}
	if c := decide(t, d, "1", billing.Resolution{}); !strings.Contains(c.Refusal, "--reopen is for what was cancelled") {
		t.Errorf("%+v", c)
	}
}

// A key's age counts from the first request that left under it, whatever that came to;
// it begins anew once the API has forgotten the key.
func TestP1AKeyAgesFromItsFirstByte(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 4)
	throttled := answering(map[billing.InvoiceID][]billing.Outcome{"1": {billing.NotSent}, "2": {billing.NotSent}, "3": {billing.NotSent}})
	unsent := throttled.answer
	throttled.answer = func(id billing.InvoiceID, n int) billing.Reply {
		reply := unsent(id, n)
		if id == "3" {
			reply.Status = 0 // the connection was refused
		}
		return reply
	}
	r := newRunner(t, cfg, throttled, true)
	r.cfg.MaxAttempts = 1
	r.cfg.Linger = 0
	r.Run(t.Context(), nil)
	execute(t, cfg, `update billonce.deliveries set due_at = now() where state = 'retry';
		update billonce.deliveries set first_sent_at = now() - case invoice_id when 2 then interval '3 days' else interval '23 hours 45 min' end`)
	a := answering(map[billing.InvoiceID][]billing.Outcome{"1": {billing.Unknown}, "2": {billing.Unknown}, "3": {billing.Unknown}})
	newRunner(t, cfg, a, true).Run(t.Context(), nil)
	// 1 may be forgotten before its repeat arrives: that is doubt.
	if got := ledger(t, cfg); got != "1:in_doubt 2:sent 3:sent 4:sent" || a.requests["1"] != 1 {
		t.Errorf("%s, %v", got, a.requests)
	}
	// Who recovers it has nothing but the ledger.
	if got := query[string](t, cfg, "select string_agg(invoice_id::text, ' ' order by invoice_id) from billonce.deliveries where first_sent_at < now() - interval '23 hours'"); got != "1 4" {
		t.Errorf("by the ledger the keys of %s are old, want 1 4", got)
	}
}
