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

	"billonce/internal/compare"
)

func newStory(e edges) compare.Story {
	return compare.Story{
		Program: e.program, Server: e.server,
		Invoices: 4, Latency: 20 * time.Millisecond,
	}
}

func testStory(t *testing.T, e edges) {
	var text bytes.Buffer
	s := newStory(e)
	s.Out = &text
	told, err := s.Tell(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	if !told.AsTold {
		t.Fatalf("the story did not come out as told: %+v\n%s", told, text.String())
	}
	want := []compare.Act{
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
	}
	anyLesson := cmpopts.IgnoreFields(compare.Act{}, "Lesson", "Recovered")
	anyServer := cmp.FilterPath(func(p cmp.Path) bool {
		act, ok := p.Index(1).(cmp.SliceIndex)
		return ok && act.Key() == 2 && p.Last().String() == ".Servers"
	}, cmp.Ignore())
	if diff := cmp.Diff(want, told.Acts, anyLesson, anyServer); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := len(told.Acts[2].Servers); n != 1 {
		t.Errorf("act 3: want one server to do all the work, got %v", told.Acts[2].Servers)
	}
	if told.Acts[4].Recovered <= 0 || told.Acts[3].Recovered != 0 {
		t.Errorf("want a recovery in act 5 alone, got %v and %v", told.Acts[3].Recovered, told.Acts[4].Recovered)
	}
	for words, times := range map[string]int{"TWICE": 5, "KILLED": 2, "55P03": 1, "DIES": 1, "recovers invoice": 1} {
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

// tellTale cancels as the first invoice is billed.
type tellTale struct {
	bytes.Buffer
	cancel context.CancelCauseFunc
	cause  error
}

func (w *tellTale) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("bills invoice")) {
		w.cancel(w.cause)
	}
	return w.Buffer.Write(line)
}

// testStoryStops: goleak and the server's end show that nobody is left behind.
func testStoryStops(t *testing.T, e edges) {
	s := newStory(e)
	s.Latency = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	out := &tellTale{cancel: cancel, cause: errors.New("enough")}
	s.Out = out
	if _, err := s.Tell(ctx); !errors.Is(err, out.cause) {
		t.Errorf("want the story to end with its context's cause, got %v\n%s", err, out.String())
	}
}

// testStoryNotAsTold: servers that bill nobody make a bad first act.
func testStoryNotAsTold(t *testing.T, e edges) {
	s := newStory(e)
	s.Program.Naive = []string{"help"}
	var text bytes.Buffer
	s.Out = &text
	told, err := s.Tell(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if told.AsTold || told.Acts[0].Requests != 0 || !strings.Contains(text.String(), "not how the story should have come out") {
		t.Errorf("want it to be said that nobody was billed in act 1, got %+v\n%s", told, text.String())
	}
}

func TestNaiveServerNeedsOrders(t *testing.T) {
	t.Parallel()
	err := compare.RunNaive(t.Context(), strings.NewReader(""), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "only the demo and the comparison start this program") {
		t.Errorf("want it to refuse, got %v", err)
	}
}
