package compare_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/billonce/billonce/internal/compare"
)

// newDemo has a database of its own, as newComparison has.
func newDemo(t *testing.T, e edges) compare.Demo {
	c, _ := newComparison(t, e)
	return compare.Demo{Program: c.Program, URL: c.URL, Invoices: 4, Latency: 20 * time.Millisecond}
}

func testDemo(t *testing.T, e edges) {
	var text bytes.Buffer
	s := newDemo(t, e)
	s.Out = &text
	result, err := s.Run(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	if !result.AsExpected {
		t.Fatalf("the counts are not the expected ones: %+v\n%s", result, text.String())
	}
	want := []compare.Counts{
		{Name: "one server", Invoices: 4, Requests: 4, Effects: 4, Servers: map[string]int{"server A": 4}},
		{Name: "two, no lock", Invoices: 4, Requests: 8, Effects: 8, BilledTwice: 4, Servers: map[string]int{"server A": 4, "server B": 4}},
		{Name: "two, NOWAIT", Invoices: 4, Requests: 4, Effects: 4, Errors: 1}, // which of them died is chance
		{
			Name: "NOWAIT, killed", Invoices: 4, Requests: 5, Effects: 5, BilledTwice: 1, Killed: "server A",
			Servers: map[string]int{"server A": 1, "server B": 4},
		},
		{
			Name: "Billonce, killed", Invoices: 8, Requests: 9, Effects: 8, Killed: "server A",
			Servers: map[string]int{"server A": 1, "server B": 8},
		},
		{Name: "Billonce, restored", Invoices: 4, Requests: 4, Effects: 4, Refused: "server B", Servers: map[string]int{"server A": 4}},
	}
	anyLesson := cmpopts.IgnoreFields(compare.Counts{}, "Lesson", "Recovered")
	anyServer := cmp.FilterPath(func(p cmp.Path) bool {
		at, ok := p.Index(1).(cmp.SliceIndex)
		return ok && at.Key() == 2 && p.Last().String() == ".Servers"
	}, cmp.Ignore())
	if diff := cmp.Diff(want, result.Scenarios, anyLesson, anyServer); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := len(result.Scenarios[2].Servers); n != 1 {
		t.Errorf("scenario 3: want one server to do all the work, got %v", result.Scenarios[2].Servers)
	}
	if result.Scenarios[4].Recovered <= 0 || result.Scenarios[3].Recovered != 0 {
		t.Errorf("want a recovery in scenario 5 alone, got %v and %v", result.Scenarios[3].Recovered, result.Scenarios[4].Recovered)
	}
	for words, times := range map[string]int{"TWICE": 5, "KILLED": 2, "55P03": 1, "DIES": 1, "recovers invoice": 1, "RESTORED": 1, "sends nothing": 1} {
		if n := strings.Count(text.String(), words); n != times {
			t.Errorf("want %q %d times, got %d:\n%s", words, times, n, text.String())
		}
	}
	for line := range strings.Lines(text.String()) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("want lines of 80 columns at most, got %q", line)
		}
	}
	if strings.Contains(text.String(), "\x1b") {
		t.Errorf("want no colour, got:\n%q", text.String())
	}
}

// stopper cancels as the first invoice is billed.
type stopper struct {
	bytes.Buffer
	cancel context.CancelCauseFunc
	cause  error
}

func (w *stopper) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("bills invoice")) {
		w.cancel(w.cause)
	}
	return w.Buffer.Write(line)
}

// testDemoStops: goleak and the server's end show that nobody is left behind.
func testDemoStops(t *testing.T, e edges) {
	s := newDemo(t, e)
	s.Latency = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	out := &stopper{cancel: cancel, cause: errors.New("enough")}
	s.Out = out
	if _, err := s.Run(ctx); !errors.Is(err, out.cause) {
		t.Errorf("want the demo to end with its context's cause, got %v\n%s", err, out.String())
	}
}

// testDemoNotAsExpected: servers that bill nobody make a bad first scenario.
func testDemoNotAsExpected(t *testing.T, e edges) {
	s := newDemo(t, e)
	s.Program.Naive = []string{"help"}
	var text bytes.Buffer
	s.Out = &text
	result, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if result.AsExpected || result.Scenarios[0].Requests != 0 || !strings.Contains(text.String(), "These are not the expected counts") {
		t.Errorf("want it to be said that nobody was billed in scenario 1, got %+v\n%s", result, text.String())
	}
}

func TestNaiveServerNeedsOrders(t *testing.T) {
	t.Parallel()
	err := compare.RunNaive(t.Context(), strings.NewReader(""), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "only the demo and the comparison start this program") {
		t.Errorf("want it to refuse, got %v", err)
	}
}
