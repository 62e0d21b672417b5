package billing

import (
	"testing"
	"time"
)

func TestSubmittedIsLookedUpLessAndLessOften(t *testing.T) {
	t.Parallel()
	const most = 72 * time.Hour
	for name, c := range map[string]struct{ got, want time.Duration }{
		"first":                     {SubmittedNext(0, most), 5 * time.Second},
		"first, asked":              {SubmittedNext(time.Second, most), time.Second},
		"first, asked for years":    {SubmittedNext(1e6*time.Hour, most), most},
		"soon":                      {SubmittedAgain(6*time.Second, 0, most), 5 * time.Second},
		"after a minute":            {SubmittedAgain(time.Minute, 0, most), 30 * time.Second},
		"after a day":               {SubmittedAgain(24*time.Hour, 0, most), 15 * time.Minute},
		"asked":                     {SubmittedAgain(time.Minute, time.Hour, most), time.Hour},
		"asked for less":            {SubmittedAgain(time.Hour, time.Second, most), 15 * time.Minute},
		"asked beyond the end":      {SubmittedAgain(71*time.Hour, 10*time.Hour, most), time.Hour},
		"asked, and it is all over": {SubmittedAgain(80*time.Hour, 10*time.Hour, most), 15 * time.Minute},
	} {
		if c.got != c.want {
			t.Errorf("%s: in %s, want %s", name, c.got, c.want)
		}
	}
}

// What the API has taken leads nowhere but to what the look-up says, to doubt once it is
// overdue, and to itself: never to another request.
func TestSubmittedTransitions(t *testing.T) {
	t.Parallel()
	const most = 72 * time.Hour
	for _, c := range []struct {
		finding   Finding
		mayLookUp bool // BILLING_LOOKUP_AFTER is over
		overdue   bool
		want      State
	}{
		{Acted, false, false, Sent},
		{Acted, true, false, Sent},
		{Acted, false, true, Sent},
		{Acted, true, true, Sent},
		{RefusedFinding, false, false, Failed},
		{RefusedFinding, true, false, Failed},
		{RefusedFinding, false, true, Failed},
		{RefusedFinding, true, true, Failed},
		{SubmittedFinding, false, false, SubmittedState},
		{SubmittedFinding, true, false, SubmittedState},
		{SubmittedFinding, false, true, InDoubt},
		{SubmittedFinding, true, true, InDoubt},
		{Absent, false, false, SubmittedState},
		{Absent, true, false, InDoubt},
		{Absent, false, true, InDoubt},
		{Absent, true, true, InDoubt},
		{UnknownFinding, false, false, SubmittedState},
		{UnknownFinding, true, false, SubmittedState},
		{UnknownFinding, false, true, InDoubt},
		{UnknownFinding, true, true, InDoubt},
	} {
		d := &Delivery{State: SubmittedState, SubmittedFor: time.Minute}
		if c.overdue {
			d.SubmittedFor = most
		}
		got := DecideSubmitted(d, Found{Finding: c.finding, Reason: "r"}, c.mayLookUp, most)
		if got.Next != c.want || got.Action != Settle {
			t.Errorf("%s, may look up %t, overdue %t: %s, want %s", c.finding, c.mayLookUp, c.overdue, got.Next, c.want)
		}
		if got.Next == InDoubt && got.Reason == "" {
			t.Errorf("%s, overdue %t: in doubt without a reason", c.finding, c.overdue)
		}
	}
}
