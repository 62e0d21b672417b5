package compare_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"billonce/internal/compare"
)

func fixedSettings() compare.Settings {
	return compare.Settings{Invoices: 2000, Latency: 5 * time.Millisecond, Runners: 2, Rounds: 3, Concurrency: 64}
}

func fixedCell(strategy string, round int, seconds float64, wal, commits int64) compare.Cell {
	return compare.Cell{
		Strategy: strategy, Round: round, Seconds: seconds,
		Requests: 2000, Billed: 2000, WALBytes: wal, Commits: commits,
	}
}

func fixedCells() []compare.Cell {
	return []compare.Cell{
		fixedCell("row", 1, 1.52, 2_100_000, 410), fixedCell("advisory", 1, 1.31, 1_950_000, 150),
		fixedCell("row", 2, 1.20, 2_080_000, 404), fixedCell("advisory", 2, 0.94, 2_012_345, 148),
		fixedCell("row", 3, 1.33, 2_095_000, 452), fixedCell("advisory", 3, 1.02, 2_010_000, 149),
	}
}

func TestReportText(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := compare.NewReport(fixedSettings(), "15.18", fixedCells()).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "report.golden")
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("-want +got (go test -update accepts it):\n%s", diff)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
}

func TestReportJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	want := compare.NewReport(fixedSettings(), "15.18", fixedCells())
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got compare.Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFinding(t *testing.T) {
	t.Parallel()
	slow, fast := fixedCell("row", 1, 2, 4000, 40), fixedCell("advisory", 1, 0.5, 4000, 30)
	twice := fast
	twice.Duplicates = 1
	slower, faster := slow, fast
	slower.Seconds, faster.Seconds = 2.5, 0.6
	alike := fixedCell("advisory", 2, 2.2, 4000, 40)
	for _, c := range []struct {
		name   string
		rounds int
		cells  []compare.Cell
		want   string
	}{
		{
			"a difference outside the spread", 2,
			[]compare.Cell{slow, fast, slower, faster},
			"Compared with row, advisory had 4.1 times the invoices a second and 25% fewer commits; " +
				"what differs in bytes of WAL is inside the spread of the rounds.",
		},
		{
			"inside the spread", 2,
			[]compare.Cell{slow, alike, slower, alike},
			"Between row and advisory, what differs in invoices a second, bytes of WAL and commits is inside the spread of the rounds.",
		},
		{
			"one strategy", 2,
			[]compare.Cell{slow, slower},
			"There are no two strategies to compare.",
		},
		{
			"everything outside", 2,
			[]compare.Cell{slow, {Strategy: "advisory", Seconds: 3, WALBytes: 8000, Commits: 20}},
			"Compared with row, advisory had 33% fewer invoices a second, 2.0 times the bytes of WAL and 50% fewer commits.",
		},
		{
			"one round", 1,
			[]compare.Cell{slow, fast},
			"One round has no spread, so it says nothing about a difference: ask for more --rounds.",
		},
		{
			"billed twice", 2,
			[]compare.Cell{slow, twice, slower, faster},
			"Invoices were billed more than once (1 of them): nothing else counts.",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := fixedSettings()
			s.Rounds = c.rounds
			if diff := cmp.Diff(c.want, compare.NewReport(s, "15.18", c.cells).Finding); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
