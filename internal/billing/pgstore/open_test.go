package pgstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// countOpen is what a run without a request counts at its end: "failed=1 in_doubt=2".
func countOpen(t *testing.T, cfg *pgx.ConnConfig) (string, billing.Open) {
	t.Helper()
	s, _ := openStore(t, cfg, "advisory")
	o, err := s.CountOpen(t.Context(), billing.PendingAgain{})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	total := int64(0)
	for kind, n := range o.Of {
		kinds = append(kinds, fmt.Sprintf("%s=%d", kind, n))
		total += n
	}
	if total != o.Count {
		t.Errorf("%d are open, and %v", o.Count, o.Of)
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " "), o
}

// P11: all that waits for a person is counted, whoever left it, and nothing else is.
func TestP11OpenIsCounted(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 9)
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, "1", "2", "3", "4", "5", "6", "7")
	for id, state := range map[billing.InvoiceID]billing.State{
		"1": billing.InDoubt, "2": billing.InDoubt, "3": billing.Failed, "4": billing.Failed, "5": billing.Retry, "6": billing.Retry, "7": billing.Sent,
	} {
		settle(t, s, billing.Settlement{InvoiceID: id, RunID: run, Attempt: 1, RunAttempt: 1, State: state, Status: 500, Reason: "HTTP 500, see " + string(id)})
	}
	execute(t, cfg, `update billonce.deliveries set retry_since = now() - interval '3 days' where invoice_id = 5;
		update billonce.deliveries set amount = 10.50, currency = 'EUR' where invoice_id = 1;
		update billonce.deliveries set amount = 2, currency = 'USD' where invoice_id = 2;
		update invoices set pending = false where id = 4;
		insert into billonce.set_aside (invoice_id, reason, run_id) values (8, 'column note is NULL', gen_random_uuid());
		insert into billonce.pending_again (invoice_id, reason, run_id) values (9, 'it is not sent', gen_random_uuid())`)
	got, o := countOpen(t, cfg)
	if want := "failed=1 in_doubt=2 retry=1 set_aside=1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if g := o.Groups[0]; g.Kind != billing.OpenInDoubt || g.Count != 2 || g.Sums["EUR"] != "10.50" || g.Sums["USD"] != "2" {
		t.Errorf("the first group is %+v", g)
	}
}

// P11: what is pending again though it was sent is open, until it is not pending any more.
func TestP11PendingAgainIsOpen(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	a := &api{}
	r := newRunner(t, cfg, a, "advisory", nil)
	if s := r.Run(t.Context(), nil); s.Sent != 3 || s.ExitCode() != billing.ExitDone {
		t.Fatalf("%+v", s)
	}
	execute(t, cfg, "update invoices set pending = true where id in (1, 3)")
	r = newRunner(t, cfg, a, "advisory", nil)
	s := r.Run(t.Context(), nil)
	store, _ := openStore(t, cfg, "advisory")
	o, err := store.CountOpen(t.Context(), s.OpenFound)
	if err != nil {
		t.Fatal(err)
	}
	s.CountOpen(o)
	if s.PendingAgain != 2 || s.Open != 2 || s.ExitCode() != billing.ExitPerson || a.requests["1"] != 1 {
		t.Errorf("%+v, exit %d, and %d requests for the first", s, s.ExitCode(), a.requests["1"])
	}
	// A run that meets none of it, since it ends early, leaves what was found.
	if got, _ := countOpen(t, cfg); got != "pending_again=2" {
		t.Errorf("then %s is open", got)
	}
	execute(t, cfg, "update invoices set pending = false where id = 1")
	if got, _ := countOpen(t, cfg); got != "pending_again=1" {
		t.Errorf("one was taken back, and %s is open", got)
	}
}

// P11: a predicate that fails on a row hides nothing: what failed counts as pending.
func TestP11APredicateThatFailsHidesNothing(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, "1", "2")
	for _, id := range []billing.InvoiceID{"1", "2"} {
		settle(t, s, billing.Settlement{InvoiceID: id, RunID: run, Attempt: 1, RunAttempt: 1, State: billing.Failed, Status: 402})
	}
	b := book.Demo()
	b.Pending = "pending and 1000 / amount_cents >= 0"
	execute(t, cfg, "update invoices set amount_cents = 0 where id = 1")
	o, err := newBookRunner(t, cfg, b, &api{}, "advisory", nil).Ledger.(*pgstore.Store).CountOpen(t.Context(), billing.PendingAgain{})
	if err != nil || o.Of[billing.OpenFailed] != 2 {
		t.Errorf("%v is open, %v", o.Of, err)
	}
}

// P11: a success is told only where nothing is open.
func TestP11ExitCodeOfWhatIsOpen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s    billing.Summary
		open int64
		want int
	}{
		"nothing":                     {billing.Summary{}, 0, billing.ExitDone},
		"an earlier run's":            {billing.Summary{}, 3, billing.ExitPerson},
		"at the limit":                {billing.Summary{Stopped: billing.StoppedByLimit}, 3, billing.ExitPerson},
		"stopped early":               {billing.Summary{Stopped: billing.StoppedBySignal}, 3, billing.ExitStopped},
		"decided while the run ended": {billing.Summary{InDoubt: 1}, 0, billing.ExitDone},
	} {
		c.s.CountOpen(billing.Open{Count: c.open})
		if got := c.s.ExitCode(); got != c.want {
			t.Errorf("%s: exit code %d, want %d", name, got, c.want)
		}
	}
}
