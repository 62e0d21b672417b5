package billing

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testTTL = 24 * time.Hour

func TestDecide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   Known
		want Decision
	}{
		{"accepted", Known{Outcome: Accepted}, Decision{Next: Sent}},
		{"refused", Known{Outcome: Refused, Idempotent: true}, Decision{Next: Failed}},
		{"not sent, attempts left", Known{Outcome: NotSent, AttemptsLeft: true}, Decision{Next: Retry}},
		{"throttled, attempts used up", Known{Outcome: Throttled, Doubtful: true}, Decision{Next: Retry}},
		{"not sent, attempts used up", Known{Outcome: NotSent}, Decision{Next: Retry, Final: true}},
		{
			"refused after an attempt that may have acted",
			Known{Outcome: Refused, Idempotent: true, Doubtful: true, DeadlinePassed: true, HasLookup: true},
			Decision{Next: InDoubt, Reason: "refused now, but an earlier attempt may have had its effect"},
		},
		{
			"422 on a used key, with a look-up",
			Known{Idempotent: true, KeyTTL: testTTL, KeyReused: true, HasLookup: true},
			Decision{Next: InDoubt, Reason: "the API holds another request under the same idempotency key"},
		},
		{"unknown, idempotent, young key", Known{Idempotent: true, KeyTTL: testTTL, AttemptsLeft: true}, Decision{Next: Retry}},
		{
			"unknown, idempotent, old key",
			Known{Idempotent: true, KeyTTL: testTTL, KeyAge: 24 * time.Hour, AttemptsLeft: true},
			Decision{Next: InDoubt, Reason: "the API may have acted, and may have forgotten the idempotency key since"},
		},
		{
			"unknown, idempotent, key within the margin",
			Known{Idempotent: true, KeyTTL: testTTL, KeyAge: testTTL - 29*time.Minute, AttemptsLeft: true},
			Decision{Next: InDoubt, Reason: "the API may have acted, and may have forgotten the idempotency key since"},
		},
		{
			"unknown, idempotent, body changed",
			Known{Idempotent: true, KeyTTL: testTTL, RequestChanged: true},
			Decision{Next: InDoubt, Reason: "a repeat would be another request: the invoice or a setting has changed since the first attempt"},
		},
		{
			"422 on a used key",
			Known{Idempotent: true, KeyTTL: testTTL, KeyReused: true},
			Decision{Next: InDoubt, Reason: "the API holds another request under the same idempotency key"},
		},
		{
			"unknown, not idempotent",
			Known{AttemptsLeft: true},
			Decision{Next: InDoubt, Reason: "the API may have acted, and has no idempotency keys"},
		},
		{
			"recovered, not idempotent, request may be on its way",
			Known{Recovered: true},
			Decision{Action: Wait, Next: Sending, Reason: "its request may still be on its way"},
		},
		{
			"recovered, not idempotent, deadline passed",
			Known{Recovered: true, DeadlinePassed: true},
			Decision{Next: InDoubt, Reason: "the API may have acted, and has no idempotency keys"},
		},
		{
			"a look-up waits for the deadline",
			Known{HasLookup: true},
			Decision{Action: Wait, Next: Sending, Reason: "its request may still be on its way"},
		},
		{
			"a look-up waits for what is held on the way",
			Known{HasLookup: true, DeadlinePassed: true},
			Decision{Action: Wait, Next: Sending, Reason: "it is looked up once its request can no longer arrive"},
		},
		{"a look-up is due", Known{HasLookup: true, DeadlinePassed: true, MayLookUp: true}, Decision{Action: LookUp}},
		{
			"looked up: acted",
			Known{LookedUp: true, Finding: Acted},
			Decision{Next: Sent, Reason: "the look-up says that the API has acted"},
		},
		{
			"looked up: not acted",
			Known{LookedUp: true, Finding: Absent, AttemptsLeft: true},
			Decision{Next: Retry, Reason: "the look-up says that the API has not acted"},
		},
		{"looked up: refused", Known{LookedUp: true, Finding: RefusedFinding}, Decision{Next: Failed, Reason: "the look-up says that the API has refused it"}},
		{"looked up: no answer", Known{LookedUp: true}, Decision{Next: InDoubt, Reason: "the look-up does not tell"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, Decide(c.in)); diff != "" {
				t.Errorf("Decide(%+v): -want +got:\n%s", c.in, diff)
			}
		})
	}
}

// TestDecideKeepsPromises states, over every combination of what can be known,
// what must never and what must always be decided.
func TestDecideKeepsPromises(t *testing.T) {
	t.Parallel()
	bools := []bool{false, true}
	n := 0
	for _, outcome := range []Outcome{Unknown, Accepted, Refused, NotSent, Outcome(99)} {
		for _, finding := range []Finding{UnknownFinding, Acted, Absent, RefusedFinding} {
			for _, age := range []time.Duration{0, testTTL / 2, testTTL, 2 * testTTL} {
				for bits := range 1 << 10 {
					k := Known{
						Outcome: outcome, Finding: finding, KeyAge: age, KeyTTL: testTTL,
						LookedUp: bools[bits&1], Idempotent: bools[bits>>1&1], AttemptsLeft: bools[bits>>2&1],
						HasLookup: bools[bits>>3&1], KeyReused: bools[bits>>4&1], RequestChanged: bools[bits>>5&1],
						DeadlinePassed: bools[bits>>6&1], Recovered: bools[bits>>7&1], Doubtful: bools[bits>>8&1], MayLookUp: bools[bits>>9&1],
					}
					n++
					if fault := brokenPromise(k, Decide(k)); fault != "" {
						t.Errorf("%s: Decide(%+v) = %+v", fault, k, Decide(k))
					}
				}
			}
		}
	}
	t.Logf("%d combinations", n)
}

func brokenPromise(k Known, d Decision) string {
	unknown := k.Outcome != Accepted && k.Outcome != Refused && k.Outcome != NotSent
	repeatIsHarmless := k.Idempotent && !k.KeyReused && !k.RequestChanged && KeyAlive(k.KeyAge, k.KeyTTL)
	foundNothing := k.LookedUp && k.Finding == Absent
	found := k.LookedUp && k.Finding == Acted
	foundRefused := unknown && k.LookedUp && k.Finding == RefusedFinding
	switch {
	case d.Action == Settle && d.Next == Sent && k.Outcome != Accepted && !(unknown && found):
		return "P3: sent without an acceptance"
	case d.Action == Settle && d.Next == Retry && unknown && !repeatIsHarmless && !foundNothing:
		return "P1: a repeat that could have a second effect"
	case d.Action == Settle && d.Next == Failed && (k.Outcome != Refused || k.Doubtful) && !foundRefused:
		return "P3: failed though an effect is possible"
	case d.Action == LookUp && !(k.DeadlinePassed && k.MayLookUp):
		return "P1: looked up while the request could still arrive"
	case d.Action == LookUp && (!k.HasLookup || k.LookedUp):
		return "P2: a look-up that leads nowhere"
	case d.Action == Wait && k.DeadlinePassed && (k.MayLookUp || !k.HasLookup):
		return "P2: waiting for what has passed"
	case d.Action == Settle && d.Next == InDoubt && d.Reason == "":
		return "doubt without a reason"
	case d.Action == Settle && (d.Next == "" || d.Next == Sending || d.Next == Cancelled):
		return fmt.Sprintf("settled into %q", d.Next)
	case d.Action == Settle && d.Next == Retry && d.Final == k.AttemptsLeft:
		return "attempts are not bounded"
	}
	return ""
}
