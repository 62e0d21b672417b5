package compare_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"billonce/internal/compare"
)

func testComparison(t *testing.T, e edges) {
	var seen []string
	c := compare.Comparison{
		Settings: compare.Settings{Invoices: 60, Latency: time.Millisecond, Runners: 2, Rounds: 2, Concurrency: 4},
		Program:  e.program, Server: e.server,
		Progress: func(c compare.Cell) { seen = append(seen, c.Strategy) },
	}
	r, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"row", "advisory", "row", "advisory", "row", "advisory"}; !slices.Equal(seen, want) {
		t.Errorf("want the strategies in turns, a warm-up first: %v, got %v", want, seen)
	}
	if len(r.Cells) != 4 {
		t.Errorf("want the warm-up left out and 4 cells, got %d", len(r.Cells))
	}
	for _, cell := range r.Cells {
		if cell.Duplicates != 0 || cell.Requests != c.Invoices || cell.Billed != c.Invoices {
			t.Errorf("want each of %d invoices asked for and billed once, got %+v", c.Invoices, cell)
		}
		// An intent and a settlement are two writes an invoice, in fewer commits.
		if cell.WALBytes < 100*int64(c.Invoices) || cell.Commits < 4 || cell.Seconds <= 0 {
			t.Errorf("the meter can't be right: %+v", cell)
		}
	}
	if r.Duplicates() != 0 || len(r.Strategies) != 2 || r.Strategies[0].Strategy != "row" || r.Strategies[1].Strategy != "advisory" {
		t.Errorf("want both strategies, and nothing billed twice, got %+v", r.Strategies)
	}
	if r.Finding == "" {
		t.Error("want a finding")
	}
}

func testComparisonStops(t *testing.T, e edges) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := compare.Comparison{
		Settings: compare.Settings{Invoices: 1, Runners: 2, Rounds: 1000, Concurrency: 1},
		Program:  e.program, Server: e.server,
		Progress: func(compare.Cell) { cancel(enough) },
	}
	if _, err := c.Run(ctx); !errors.Is(err, enough) && !errors.Is(err, context.Canceled) {
		t.Errorf("want the comparison to end with its context, got %v", err)
	}
}
