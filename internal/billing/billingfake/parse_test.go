package billingfake

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseFaultIsTheReverseOfString(t *testing.T) {
	faults := append(simpleFaults(),
		SlowDrip{Every: 5 * time.Millisecond}, HangThenApply{After: 12 * time.Second}, Redirect{Status: 301}, Redirect{Status: 308},
		ReplyStatus{Status: 400}, ReplyStatus{Status: 429, RetryAfter: 3 * time.Second},
		ReplyStatus{Status: 503, HTTPDate: true}, ReplyStatus{Status: 503, HTTPDate: true, RetryAfter: time.Minute},
	)
	for _, fault := range faults {
		if got, err := ParseFault(fault.String()); err != nil || got != fault {
			t.Errorf("%s: %#v, %v", fault, got, err)
		}
	}
	for _, name := range FaultNames() {
		if got, err := ParseFault(name); err != nil || got.String() != name {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestParseFaultsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"apply_then_sing=0.1":         "no such fault; there are apply_then_500, ",
		"apply_then_500":              "write name=probability",
		"apply_then_500=lots":         "write name=probability",
		"apply_then_500=1.1":          "write name=probability",
		"apply_then_500=-0.1":         "write name=probability",
		"apply_then_500=NaN":          "write name=probability",
		"garbage=0.6,empty_reply=0.6": "add up to 1.2",
		"garbage=0.1,garbage=0.1":     "twice",
		"redirect_304=1":              "no such fault",
		"redirect_302:1s=1":           "no such fault",
		"reply_200=1":                 "no such fault",
		"reply_600=1":                 "no such fault",
		"reply_429:soon=1":            "a duration",
		"slow_drip:-1s=1":             "a duration",
	} {
		if _, err := ParseFaults(text, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestParseFaultsTakes(t *testing.T) {
	tenths := make([]string, 10)
	for i, f := range simpleFaults()[:10] {
		tenths[i] = f.String() + "=0.1"
	}
	for _, text := range []string{"", " ", "garbage=0", " garbage=0.5 , reply_429:3s = 0.5,", strings.Join(tenths, ",")} {
		if _, err := ParseFaults(text, 1); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	none, err := ParseFaults("", 1)
	if err != nil || none(Received{Invoice: "7", Attempt: 1}) != nil {
		t.Errorf("nothing: %v", err)
	}
}

// The choice depends on seed, invoice and attempt, and on nothing else.
func TestChoiceIsRepeatable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const text = "apply_then_500=0.3,reset_before_apply=0.3"
		seed := rapid.Int64().Draw(t, "seed")
		a, err := ParseFaults(text, seed)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseFaults(text, seed)
		if err != nil {
			t.Fatal(err)
		}
		requests := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Received {
			return Received{Invoice: rapid.String().Draw(t, "invoice"), Attempt: rapid.IntRange(1, 5).Draw(t, "attempt")}
		})).Draw(t, "requests")
		first := map[string]Fault{}
		for _, r := range requests {
			first[fmt.Sprintf("%q %d", r.Invoice, r.Attempt)] = a(r)
		}
		for _, r := range rapid.Permutation(requests).Draw(t, "in another order") {
			key := fmt.Sprintf("%q %d", r.Invoice, r.Attempt)
			r.Key, r.At, r.Body = "another", time.Now(), []byte("{}")
			if diff := cmp.Diff(first[key], b(r)); diff != "" {
				t.Fatalf("%s: %s", key, diff)
			}
		}
	})
}

// Faults come as often as asked, also where only the attempt or only the last
// digit changes, and another seed chooses others.
func TestChoiceIsFair(t *testing.T) {
	const n, p = 5_000, 0.05
	same := 0
	for _, by := range []func(i int) Received{
		func(i int) Received { return Received{Invoice: fmt.Sprint(i), Attempt: 1} },
		func(i int) Received { return Received{Invoice: "7", Attempt: i} },
	} {
		for seed := range int64(5) {
			a, errA := ParseFaults(fmt.Sprintf("apply_then_500=%g,garbage=%g", p, p), seed)
			b, errB := ParseFaults("garbage=1", seed+1)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			counts := map[string]int{}
			for i := range n {
				if f := a(by(i)); f != nil {
					counts[f.String()]++
				}
				if b(by(i)) == nil {
					t.Fatal("a fault with probability 1 did not come")
				}
				if uniform(seed, fmt.Sprint(i), 1) == uniform(seed+1, fmt.Sprint(i), 1) {
					same++
				}
			}
			sigma := math.Sqrt(n * p * (1 - p))
			for _, name := range []string{"apply_then_500", "garbage"} {
				if off := float64(counts[name]) - n*p; math.Abs(off) > 5*sigma {
					t.Errorf("seed %d: %s came %d times of %d", seed, name, counts[name], n)
				}
			}
		}
	}
	if same > 0 {
		t.Errorf("two seeds agree on %d numbers", same)
	}
}
