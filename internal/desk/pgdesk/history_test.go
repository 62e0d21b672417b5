package pgdesk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// The history tells each attempt's outcome as it was before anybody decided.
func TestHistoryOfAttemptsAndDecisions(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	person := openDesk(t, cfg)
	leaveSending(t, cfg, "1") // attempt 1: its runner died
	n := 0
	a := api{reply: func() billing.Reply {
		n++
		return []billing.Reply{
			{Outcome: billing.Unknown, Status: 500, Reason: "HTTP 500"},         // 2
			{Outcome: billing.NotSent, Status: 429, Reason: "HTTP 429"},         // 3
			{Outcome: billing.Refused, Status: 402, Reason: "HTTP 402 no card"}, // 4: in doubt, since 1 or 2 may have acted
			{Outcome: billing.Refused, Status: 402, Reason: "HTTP 402 no card"}, // 5: failed
			{Outcome: billing.Accepted, Status: 200},                            // 6
		}[n-1]
	}}
	newRunner(t, cfg, &a, true).Run(t.Context(), nil)
	for _, want := range []billing.State{billing.InDoubt, billing.Failed} {
		execute(t, cfg, deadlinePasses)
		d := read(t, person, "1")
		if d.State != want {
			t.Fatalf("%+v, want it %s", d, want)
		}
		if came := resolve(t, person, d, billing.Retry); came != billing.ResolvedFully {
			t.Fatal(came)
		}
		newRunner(t, cfg, &a, true).Run(t.Context(), nil)
	}
	execute(t, cfg, `insert into billonce.pending_again (invoice_id, reason, run_id) values (1, 'it was sent', gen_random_uuid())`)
	h, err := person.History(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Found) != 1 || h.Found[0].Kind != billing.OpenPendingAgain || h.Found[0].Reason != "it was sent" {
		t.Errorf("found: %+v", h.Found)
	}
	got := fmt.Sprint(h.State, " ", h.Invoice, ":")
	var last time.Time
	for _, at := range h.Attempts {
		got += fmt.Sprintf(" %d %s %s %d %t", at.Attempt, at.Outcome, at.State, at.HTTPStatus, at.SettledAt != nil)
		for _, d := range at.Decisions {
			got += fmt.Sprintf(" (%s>%s by %s: %s)", d.From, d.To, d.By, d.Reason)
		}
		got += ";"
		if at.BegunAt == nil || at.BegunAt.Before(last) {
			t.Errorf("attempt %d began at %v, the one before it at %v", at.Attempt, at.BegunAt, last)
		} else {
			last = *at.BegunAt
		}
	}
	want := "sent not pending:" +
		" 1 unknown sending 0 false;" +
		" 2 unknown retry 500 true;" +
		" 3 not_sent retry 429 true;" +
		" 4 unknown in_doubt 402 true (in_doubt>retry by ada@desk: I looked);" +
		" 5 refused failed 402 true (failed>retry by ada@desk: I looked);" +
		" 6 accepted sent 200 true;"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
