package billing

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestResolve states over every combination what a person may decide, and when another
// key follows.
func TestResolve(t *testing.T) {
	t.Parallel()
	states := []State{"", Sending, Sent, Failed, Retry, InDoubt, Cancelled, "of a later version"}
	wishes := map[string]Resolution{
		"sent": {To: Sent}, "retry": {To: Retry}, "cancel": {To: Cancelled}, "again": {To: Retry, Again: true}, "reopen": {}, "odd": {To: Failed},
	}
	may := map[State][]string{InDoubt: {"sent", "retry", "cancel"}, Failed: {"sent", "retry", "cancel"}, Retry: {"sent", "cancel"}, Sent: {"sent", "again"}, Cancelled: {"reopen"}}
	each := func(check func(d Resolvable, wish string, r Resolution)) {
		for _, state := range states {
			for wish, r := range wishes {
				for bits := range 1 << 5 {
					d := Resolvable{State: state, Attempt: 2, KeyVersion: 3, DecideIn: -time.Second, RetryFor: RetryIsOpen - 1, Pending: bits&4 > 0, KeyReplaced: bits&8 > 0}
					if bits&1 > 0 {
						d.DecideIn = time.Nanosecond
					}
					if bits&2 > 0 {
						d.RetryFor = RetryIsOpen
					}
					if bits&16 > 0 {
						d.OlderProgram = "billonce/old"
					}
					if state == Cancelled && bits&2 > 0 {
						d.Was = Failed
					}
					for _, r.Attempt = range []int{0, 1, 2} {
						check(d, wish, r)
					}
				}
			}
		}
	}
	each(func(d Resolvable, wish string, r Resolution) {
		got := Resolve(d, r)
		allowed := r.Attempt != 1 && slices.Contains(may[d.State], wish)
		switch d.State {
		case InDoubt:
			allowed = allowed && d.DecideIn <= 0
		case Retry:
			allowed = allowed && d.DecideIn <= 0 && d.RetryFor >= RetryIsOpen
		case Sent:
			allowed = allowed && d.Pending && (wish == "sent" || d.OlderProgram == "")
		case Cancelled:
			allowed = allowed && d.Was != ""
		}
		version := 0
		if allowed && d.OlderProgram == "" && (wish == "again" || wish == "retry" && d.State == Failed && d.KeyReplaced) {
			version = 4
		}
		clears := allowed && (d.State == InDoubt && wish == "retry" || wish == "again")
		if allowed != (got.Refusal == "") || got.KeyVersion != version || got.ClearsDoubt != clears {
			t.Errorf("%+v to %s, looked into %d: %+v, want allowed %t, key's version %d, doubt cleared %t", d, wish, r.Attempt, got, allowed, version, clears)
		}
		if want := cmp.Or(r.To, d.Was); allowed && got.To != want {
			t.Errorf("%+v to %s becomes %s, want %s", d, wish, got.To, want)
		}
	})
}

func TestResolveSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d    Resolvable
		r    Resolution
		want string
	}{
		"on its way":  {Resolvable{State: InDoubt, Attempt: 1, DecideIn: 22500 * time.Millisecond}, Resolution{To: Sent}, "resolve in 23s"},
		"sending":     {Resolvable{State: Sending}, Resolution{To: Retry}, "it is sending: "},
		"submitted":   {Resolvable{State: SubmittedState, SubmittedIn: 71*time.Hour + time.Millisecond}, Resolution{To: Sent}, "the first one in 71h0m1s or later leaves it in doubt, for you (BILLING_SUBMITTED_FOR)"},
		"overdue":     {Resolvable{State: SubmittedState, SubmittedIn: -time.Second}, Resolution{To: Cancelled}, "BILLING_SUBMITTED_FOR is over, so that the next one decides it or leaves it in doubt, for you: run it first"},
		"not again":   {Resolvable{State: Failed}, Resolution{To: Retry, Again: true}, "--again is for what was sent and is pending once more, and it is failed"},
		"not pending": {Resolvable{State: Sent}, Resolution{To: Retry, Again: true}, "its invoice is not pending"},
		"owed again?": {Resolvable{State: Sent, Pending: true}, Resolution{To: Retry}, "take --again if it is owed once more, or --sent to mark it"},
		"older":       {Resolvable{State: Sent, Pending: true, OlderProgram: "billonce/old"}, Resolution{To: Retry, Again: true}, "one is unfinished (billonce/old)"},
		"cancelled":   {Resolvable{State: Cancelled}, Resolution{To: Sent}, "take --reopen first"},
		"to be tried": {Resolvable{State: Retry}, Resolution{To: Cancelled}, "take the invoice out of INVOICES_PENDING"},
		"another":     {Resolvable{State: InDoubt, Attempt: 3}, Resolution{To: Retry, Attempt: 2}, "its last attempt is 3, not 2"},
		"never tried": {Resolvable{}, Resolution{To: Sent}, "it was never tried"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Resolve(c.d, c.r).Refusal; !strings.Contains(got, c.want) {
				t.Errorf("%q, want it to say %q", got, c.want)
			}
		})
	}
}
