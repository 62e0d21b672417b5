package pgdesk_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
)

// deadline_at lies behind: no request can be on its way.
const deadlinePasses = "update billonce.deliveries set deadline_at = now() - interval '1 s'"

func read(t *testing.T, d *pgdesk.Desk, id billing.InvoiceID) desk.Delivery {
	t.Helper()
	all, err := d.Deliveries(t.Context(), []billing.InvoiceID{id})
	if err != nil || len(all) != 1 {
		t.Fatalf("read %s: %+v, %v", id, all, err)
	}
	return all[0]
}

func decision(to billing.State) billing.Resolution {
	return billing.Resolution{To: to, By: "ada@desk", Reason: "I looked"}
}

// resolve writes without asking [billing.Resolve]: the statement must hold the
// rules by itself.
func resolve(t *testing.T, d *pgdesk.Desk, seen desk.Delivery, to billing.State) billing.Resolved {
	t.Helper()
	came, err := d.Resolve(t.Context(), seen, decision(to), billing.Ruling{To: to, ClearsDoubt: seen.State == billing.InDoubt && to == billing.Retry})
	if err != nil {
		t.Fatal(err)
	}
	return came
}

const (
	deliveryLine = `select state || ' ' || attempt || ' ' || doubtful || ' ' || (due_at is not null) from billonce.deliveries where invoice_id = 1`
	decisions    = `select coalesce(string_agg(invoice_id || ':' || state || '>' || decision || ' ' || decided_by || ' ' || reason, '; ' order by entry), '')
		from billonce.history where kind = 'decision'`
)

func TestResolveDecides(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to      billing.State
		want, pending string
	}{
		"in_doubt_to_sent":   {billing.InDoubt, billing.Sent, "sent 1 true false", "false"},
		"in_doubt_to_retry":  {billing.InDoubt, billing.Retry, "retry 1 false true", "true"},
		"in_doubt_to_cancel": {billing.InDoubt, billing.Cancelled, "cancelled 1 true false", "true"},
		"failed_to_retry":    {billing.Failed, billing.Retry, "retry 1 false true", "true"},
		"failed_to_sent":     {billing.Failed, billing.Sent, "sent 1 false false", "false"},
		"failed_to_cancel":   {billing.Failed, billing.Cancelled, "cancelled 1 false false", "true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 1)
			settledAs(t, cfg, c.from, "1")
			s := openDesk(t, cfg)
			if c.from == billing.InDoubt { // a failed one has been answered: nothing is waited for
				execute(t, cfg, deadlinePasses)
			}
			if came := resolve(t, s, read(t, s, "1"), c.to); came != billing.ResolvedFully {
				t.Errorf("came to %v", came)
			}
			if got := query[string](t, cfg, deliveryLine); got != c.want {
				t.Errorf("the delivery is %q, want %q", got, c.want)
			}
			if got := query[string](t, cfg, "select pending::text from invoices"); got != c.pending {
				t.Errorf("pending: %s", got)
			}
			if got, want := query[string](t, cfg, decisions), "1:"+string(c.from)+">"+string(c.to)+" ada@desk I looked"; got != want {
				t.Errorf("history %q, want %q", got, want)
			}
		})
	}
}

// Doubt that a failed delivery has all the same is not a person's to clear.
func TestResolveOfFailedKeepsDoubt(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	settledAs(t, cfg, billing.Failed, "1")
	s := openDesk(t, cfg)
	execute(t, cfg, "update billonce.deliveries set doubtful = true")
	d := read(t, s, "1")
	ruling := billing.Resolve(d.Resolvable(), decision(billing.Retry))
	if came, err := s.Resolve(t.Context(), d, decision(billing.Retry), ruling); err != nil || came != billing.ResolvedFully {
		t.Fatal(came, err)
	}
	if got := query[string](t, cfg, deliveryLine); got != "retry 1 true true" {
		t.Errorf("the delivery is %q", got)
	}
}

// The rules are the statement's own: what it must not touch stays as it is, and
// leaves no decision behind.
func TestResolveRefusesInTheStatement(t *testing.T) {
	t.Parallel()
	type try struct{ from, to billing.State }
	var tries []try
	for _, from := range []billing.State{billing.Sending, billing.Sent, billing.Failed, billing.Retry, billing.InDoubt, billing.Cancelled} {
		for _, to := range []billing.State{billing.Sent, billing.Retry, billing.Cancelled, billing.Failed, billing.Sending} {
			// A failed one may become anything, and what was sent may be marked again.
			if from != billing.Failed || to == billing.Failed || to == billing.Sending {
				if from != billing.Sent || to != billing.Sent {
					tries = append(tries, try{from, to})
				}
			}
		}
	}
	cfg := seeded(t, len(tries))
	ids := make([]billing.InvoiceID, len(tries))
	for i := range ids {
		ids[i] = billing.InvoiceID(strconv.Itoa(i + 1))
	}
	inDoubt(t, cfg, ids...)
	s := openDesk(t, cfg)
	for i, c := range tries {
		deadline := "now() - interval '1 s'"
		if c.from == billing.InDoubt {
			deadline = "now() + interval '1 h'" // all that forbids it
		}
		execute(t, cfg, fmt.Sprintf("update billonce.deliveries set state = '%s', due_at = case when '%[1]s' = 'retry' then now() end, deadline_at = %s where invoice_id = %s",
			c.from, deadline, ids[i]))
	}
	const all = "select string_agg(d::text, E'\n' order by invoice_id) from billonce.deliveries d"
	before := query[string](t, cfg, all)
	for i, c := range tries {
		if came := resolve(t, s, read(t, s, ids[i]), c.to); came != billing.ResolvedByAnother {
			t.Errorf("%s to %s came to %v", c.from, c.to, came)
		}
	}
	if diff := cmp.Diff(before, query[string](t, cfg, all)); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
	if got := query[string](t, cfg, decisions); got != "" || query[int](t, cfg, "select count(*) from invoices where not pending") > 0 {
		t.Errorf("history %q, or an invoice was marked", got)
	}
}

// P10: a request may arrive for a while past its deadline. Until then the statement refuses by
// itself, and the rule says why, and from when on.
func TestP10NobodyDecidesBeforeItCantArrive(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	inDoubt(t, cfg, "1")
	execute(t, cfg, deadlinePasses)
	book := demoBook()
	book.After = time.Hour
	s, err := pgdesk.Open(t.Context(), cfg, book)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	seen := read(t, s, "1")
	for _, to := range []billing.State{billing.Sent, billing.Retry, billing.Cancelled} {
		if came := resolve(t, s, seen, to); came != billing.ResolvedByAnother {
			t.Errorf("%s: decided all the same: %v", to, came)
		}
		ruling := billing.Resolve(seen.Resolvable(), decision(to))
		if !strings.Contains(ruling.Refusal, "resolve in 59m") || seen.DecideAt.Sub(seen.DeadlineAt) != time.Hour {
			t.Errorf("%s: %q, %s", to, ruling.Refusal, seen.DecideAt)
		}
	}
}

// What changed between reading and writing is left alone.
func TestResolveIsGuarded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change, want string }{
		"state":        {"state = 'sent'", "sent 1 true false"},
		"refused":      {"state = 'failed'", "failed 1 true false"},
		"attempt":      {"attempt = 2", "in_doubt 2 true false"},
		"evidence":     {"error = 'HTTP 502', updated_at = now()", "in_doubt 1 true false"},
		"new_deadline": {"deadline_at = now() + interval '1 h'", "in_doubt 1 true false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := seeded(t, 1)
			inDoubt(t, cfg, "1")
			s := openDesk(t, cfg)
			execute(t, cfg, deadlinePasses)
			d := read(t, s, "1")
			execute(t, cfg, "update billonce.deliveries set "+c.change)
			if came := resolve(t, s, d, billing.Retry); came != billing.ResolvedByAnother {
				t.Errorf("came to %v", came)
			}
			if got := query[string](t, cfg, deliveryLine); got != c.want {
				t.Errorf("the delivery is %q, want %q", got, c.want)
			}
		})
	}
}

// An invoice that is gone, or not pending any more, is settled all the same.
func TestResolveOfAnInvoiceThatIsGone(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	inDoubt(t, cfg, "1", "2")
	s := openDesk(t, cfg)
	execute(t, cfg, deadlinePasses+"; delete from invoices where id = 1; update invoices set pending = false where id = 2")
	for _, id := range []billing.InvoiceID{"1", "2"} {
		if came := resolve(t, s, read(t, s, id), billing.Sent); came != billing.ResolvedInvoiceGone {
			t.Errorf("%s: came to %v", id, came)
		}
	}
	if got := ledger(t, cfg); got != "1:sent 2:sent" || query[bool](t, cfg, "select sent_at is not null from invoices") {
		t.Errorf("%s, or an invoice that was taken back is marked", got)
	}
}

// A late reply and a person at the same moment: one of them is heard, the other
// told, and the invoice is marked if and only if the delivery is sent.
func TestResolveAndLateReplyRace(t *testing.T) {
	t.Parallel()
	const n = 40
	cfg := seeded(t, n)
	ids := make([]billing.InvoiceID, n)
	for i := range ids {
		ids[i] = billing.InvoiceID(strconv.Itoa(i + 1))
	}
	sender, run := inDoubt(t, cfg, ids...)
	execute(t, cfg, deadlinePasses)
	person := openDesk(t, cfg)
	for _, id := range ids {
		seen := read(t, person, id)
		start, late := make(chan struct{}), make(chan billing.Settled, 1)
		go func() {
			<-start
			c, err := sender.Commit(t.Context(), nil, []billing.Settlement{sent(run, id)})
			if err != nil {
				t.Error(err)
			}
			late <- c.Ended[0]
		}()
		close(start)
		came := resolve(t, person, seen, billing.Cancelled)
		heard := <-late
		state := query[string](t, cfg, "select state from billonce.deliveries where invoice_id = $1", string(id))
		marked := !query[bool](t, cfg, "select pending from invoices where id = $1", string(id))
		written := query[int](t, cfg, "select count(*) from billonce.history where invoice_id = $1", string(id))
		byPerson := came == billing.ResolvedFully && heard == billing.SettledByAnother && state == "cancelled" && !marked && written == 1
		byReply := came == billing.ResolvedByAnother && heard == billing.SettledFully && state == "sent" && marked && written == 0
		if byPerson == byReply {
			t.Errorf("invoice %s: the person's came to %v, the reply's to %v; %s, marked %t, %d decisions", id, came, heard, state, marked, written)
		}
	}
}

// A late reply is still heard after a person's retry, as long as no further
// attempt has begun: it knows better. What they ended stays ended.
func TestLateReplyAfterResolve(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	sender, run := inDoubt(t, cfg, "1", "2")
	s := openDesk(t, cfg)
	execute(t, cfg, deadlinePasses)
	for id, to := range map[billing.InvoiceID]billing.State{"1": billing.Retry, "2": billing.Cancelled} {
		if came := resolve(t, s, read(t, s, id), to); came != billing.ResolvedFully {
			t.Fatal(came)
		}
	}
	came := settle(t, sender, sent(run, "1"), sent(run, "2"))
	if came[0] != billing.SettledFully || came[1] != billing.SettledByAnother {
		t.Errorf("settled: %v", came)
	}
	if got := ledger(t, cfg); got != "1:sent 2:cancelled" || query[int](t, cfg, "select sum(id)::integer from invoices where pending") != 2 {
		t.Errorf("%s, or the wrong invoices are marked", got)
	}
}

// A late reply that is being written makes the person wait, and then refuse.
func TestResolveWaitsForALateReply(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	inDoubt(t, cfg, "1")
	s := openDesk(t, cfg)
	execute(t, cfg, deadlinePasses)
	d := read(t, s, "1")
	reply, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Close(t.Context())
	if _, err := reply.Exec(t.Context(), "begin; update billonce.deliveries set state = 'sent', updated_at = now()"); err != nil {
		t.Fatal(err)
	}
	came := make(chan billing.Resolved, 1)
	go func() {
		c, err := s.Resolve(t.Context(), d, decision(billing.Retry), billing.Ruling{To: billing.Retry, ClearsDoubt: true})
		if err != nil {
			t.Error(err)
		}
		came <- c
	}()
	for !query[bool](t, cfg, "select exists (select from pg_locks where not granted and locktype = 'transactionid')") {
		continue // until it waits
	}
	if _, err := reply.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	if c := <-came; c != billing.ResolvedByAnother {
		t.Errorf("came to %v", c)
	}
	if got := query[string](t, cfg, deliveryLine); got != "sent 1 true false" {
		t.Errorf("the delivery is %q", got)
	}
}

// Somebody holds the invoice's row: nothing is written by halves.
func TestResolveWaitsForTheInvoiceInVain(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	inDoubt(t, cfg, "1")
	s := openDesk(t, cfg)
	execute(t, cfg, deadlinePasses)
	holder, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(t.Context())
	if _, err := holder.Exec(t.Context(), "begin; select from invoices for no key update"); err != nil {
		t.Fatal(err)
	}
	if came := resolve(t, s, read(t, s, "1"), billing.Sent); came != billing.NotResolved {
		t.Errorf("came to %v", came)
	}
	if got := query[string](t, cfg, deliveryLine); got != "in_doubt 1 true false" || query[string](t, cfg, decisions) != "" {
		t.Errorf("the delivery is %q", got)
	}
}

// After a person's retry the next run sends what was in doubt: a body that has
// changed and a key that has grown old are no doubt any more, and the key is the
// same. What they cancelled is counted, and nobody's error.
func TestRunAfterResolve(t *testing.T) {
	t.Parallel()
	for _, idempotent := range []bool{true, false} {
		cfg := seeded(t, 3)
		ids := []billing.InvoiceID{"1", "2", "3"}
		unknown := api{reply: func() billing.Reply {
			return billing.Reply{Outcome: billing.Unknown, Reason: "reset"}
		}}
		first := newRunner(t, cfg, &unknown, false).Run(t.Context(), nil)
		if got := ledger(t, cfg); got != "1:in_doubt 2:in_doubt 3:in_doubt" {
			t.Fatalf("%s, %+v", got, first)
		}
		execute(t, cfg, deadlinePasses+`;
			update billonce.deliveries set first_sent_at = now() - interval '3 days' where invoice_id = 1;
			update invoices set amount_cents = amount_cents + 1 where id = 1`)
		s := openDesk(t, cfg)
		for i, to := range []billing.State{billing.Retry, billing.Sent, billing.Cancelled} {
			if came := resolve(t, s, read(t, s, ids[i]), to); came != billing.ResolvedFully {
				t.Fatalf("%s: %v", ids[i], came)
			}
		}
		var a api
		sum := newRunner(t, cfg, &a, idempotent).Run(t.Context(), nil)
		if got := ledger(t, cfg); got != "1:sent 2:sent 3:cancelled" || len(a.requests) != 1 || a.requests["1"] != 1 {
			t.Errorf("%s, requests %v", got, a.requests)
		}
		if sum.Sent != 1 || sum.EarlierCancelled != 1 || sum.ExitCode() != 0 {
			t.Errorf("%+v, exit %d", sum, sum.ExitCode())
		}
		for key := range a.keys {
			if unknown.keys[key] != "1" {
				t.Errorf("a key of its own: %s", key)
			}
		}
		if young := query[bool](t, cfg, "select first_sent_at > now() - interval '1 h' from billonce.deliveries where invoice_id = 1"); !young {
			t.Error("the key's age did not begin anew")
		}
	}
}

func TestDeliveriesRefusesWhatIsNoID(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	s := openDesk(t, cfg)
	for _, id := range []billing.InvoiceID{"4x", "", "99999999999999999999", `{1}`, "1,2", "NULL", `a"b\`} {
		if all, err := s.Deliveries(t.Context(), []billing.InvoiceID{id}); err == nil {
			t.Errorf("%q: %+v", id, all)
		}
	}
	if d := read(t, s, "007"); d.InvoiceID != "7" || d.State != "" {
		t.Errorf("%+v", d)
	}
}
