package doctor

import (
	"strings"
	"testing"
)

func TestPrint(t *testing.T) {
	t.Parallel()
	report := Report{
		{Check: "server", Verdict: OK, Seen: "PostgreSQL 15"},
		{
			Check: "Schlüssel", Verdict: Refused, Seen: "there is no column \"nam\"\n    where nam = 1\n          ^\nPerhaps you meant: name",
			Remedy: "Correct it, or look at `batch help environment`, or run this:\n    create index concurrently a_name_that_is_long on a_table (a_column);",
		},
	}
	for width, want := range map[int]string{
		0: "" +
			"ok       server     PostgreSQL 15\n" +
			"refused  Schlüssel  there is no column \"nam\"\n" +
			"                    where nam = 1\n" +
			"                          ^\n" +
			"                    Perhaps you meant: name\n" +
			"                    → Correct it, or look at `batch help environment`, or run this:\n" +
			"                      create index concurrently a_name_that_is_long on a_table (a_column);\n",
		50: "" +
			"ok       server     PostgreSQL 15\n" +
			"refused  Schlüssel  there is no column \"nam\"\n" +
			"    where nam = 1\n" +
			"          ^\n" +
			"                    Perhaps you meant: name\n" +
			"                    → Correct it, or look at\n" +
			"                      `batch help environment`, or\n" +
			"                      run this:\n" +
			"    create index concurrently a_name_that_is_long on a_table (a_column);\n",
	} {
		var plain strings.Builder
		if err := report.Print(&plain, false, width); err != nil || plain.String() != want {
			t.Errorf("%v\n%s\nwant\n%s", err, plain.String(), want)
		}
		var colored strings.Builder
		if err := report.Print(&colored, true, width); err != nil {
			t.Fatal(err)
		}
		got := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[0m", "").Replace(colored.String())
		if got != want || !strings.Contains(colored.String(), "\x1b[31mrefused\x1b[0m") {
			t.Errorf("in colour:\n%s\nwant\n%s", got, want)
		}
	}
}
