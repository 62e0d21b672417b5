package billing

import (
	"strings"
	"testing"
	"time"
)

// TestResolve states over every combination what a person may decide, and that
// each refusal says what the delivery is.
func TestResolve(t *testing.T) {
	t.Parallel()
	states := []State{"", Sending, Sent, Failed, Retry, InDoubt, Cancelled, "of a later version"}
	for _, state := range states {
		for _, to := range states {
			for _, in := range []time.Duration{-time.Second, 0, time.Nanosecond, time.Minute} {
				for _, looked := range []int{0, 1, 2, 3} {
					d := Resolvable{State: state, Attempt: 2, DecideIn: in}
					got := Resolve(d, Resolution{To: to, Attempt: looked})
					allowed := looked%2 == 0 &&
						(state == InDoubt && in <= 0 && (to == Sent || to == Retry || to == Cancelled) ||
							state == Failed && (to == Retry || to == Cancelled))
					if allowed != (got.Refusal == "") {
						t.Errorf("%+v to %q, looked into %d: %+v, want allowed %t", d, to, looked, got, allowed)
					}
					if clears := allowed && state == InDoubt && to == Retry; got.ClearsDoubt != clears {
						t.Errorf("%+v to %q clears doubt: %t", d, to, got.ClearsDoubt)
					}
				}
			}
		}
	}
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
		"refused":     {Resolvable{State: Failed}, Resolution{To: Sent}, "the API refused it; take --retry or --cancel"},
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
