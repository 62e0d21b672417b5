package compare_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"billonce/internal/compare"
)

func newStory(e edges) compare.Story {
	return compare.Story{
		Program: e.program, Server: e.server, Naive: []string{"demo", "naive-server"},
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
	if len(told.Acts) != 2 || !told.AsTold {
		t.Fatalf("the story did not come out as told: %+v\n%s", told, text.String())
	}
	naive := compare.Act{
		Name: "without a lock", Invoices: 4, Requests: 8, Effects: 8, BilledTwice: 4,
		Servers: map[string]int{"server A": 4, "server B": 4},
	}
	if diff := cmp.Diff(naive, told.Acts[0]); diff != "" {
		t.Errorf("act 1: -want +got:\n%s", diff)
	}
	billonce := told.Acts[1]
	if billonce.Servers["server A"] == 0 || billonce.Servers["server B"] == 0 {
		t.Errorf("act 2: want both servers at work, got %v", billonce.Servers)
	}
	billonce.Servers = nil
	want := compare.Act{Name: "with Billonce", Invoices: 4, Requests: 4, Effects: 4}
	if diff := cmp.Diff(want, billonce); diff != "" {
		t.Errorf("act 2: -want +got:\n%s", diff)
	}
	if n := strings.Count(text.String(), "TWICE"); n != 4 {
		t.Errorf("want 4 lines with TWICE, got %d:\n%s", n, text.String())
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
	s.Naive = []string{"help"}
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
	err := compare.RunNaive(t.Context(), strings.NewReader(""))
	if err == nil || !strings.Contains(err.Error(), "only the demo starts this program") {
		t.Errorf("want it to refuse, got %v", err)
	}
}
