package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/billonce/billonce/internal/compare/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGolden(t *testing.T) {
	t.Parallel()
	r := newSource().report()
	for name, write := range map[string]func(io.Writer) error{
		"report.txt": r.WriteText, "report.json": r.WriteJSON, "report.html": r.WriteHTML,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name)
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
		})
	}
}

func TestTextFitsTheTerminal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	r := newSource().report()
	for i := range r.Samples {
		r.Samples[i].Requests, r.Samples[i].WALBytes, r.Samples[i].Held = 8_000_000, 4e9, 9_999_999
		r.Samples[i].Seconds /= 20
	}
	if err := report.New(r.Conditions, r.Samples, r.Drills).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
}

func TestJSONIsTheWholeReport(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	want := newSource().report()
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got report.Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestJSONIsDocumented: every field stands in the manual.
func TestJSONIsDocumented(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../../docs/comparison.md")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := newSource().report().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var fields any
	if err := json.Unmarshal(b.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	for name := range names(fields, map[string]bool{}) {
		if !strings.Contains(string(manual), "`"+name+"`") {
			t.Errorf("docs/comparison.md does not explain `%s`", name)
		}
	}
}

func names(value any, into map[string]bool) map[string]bool {
	switch v := value.(type) {
	case map[string]any:
		for name, value := range v {
			into[name] = true
			names(value, into)
		}
	case []any:
		for _, value := range v {
			names(value, into)
		}
	}
	return into
}
