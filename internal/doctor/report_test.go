package doctor

import (
	"strings"
	"testing"
)

func TestPrint(t *testing.T) {
	t.Parallel()
	report := Report{
		{Check: "server", Verdict: OK, Seen: "PostgreSQL 15"},
		{Check: "Schlüssel", Verdict: Refused, Seen: "two\nlines", Remedy: "fix it"},
	}
	const want = "" +
		"ok       server     PostgreSQL 15\n" +
		"refused  Schlüssel  two lines\n" +
		"                    → fix it\n"
	var plain strings.Builder
	if err := report.Print(&plain, false); err != nil || plain.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, plain.String(), want)
	}
	var colored strings.Builder
	if err := report.Print(&colored, true); err != nil {
		t.Fatal(err)
	}
	got := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[0m", "").Replace(colored.String())
	if got != want || !strings.Contains(colored.String(), "\x1b[31mrefused\x1b[0m") {
		t.Errorf("in colour:\n%s\nwant\n%s", got, want)
	}
}
