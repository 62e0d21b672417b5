package words_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/words"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 1 << 62: "4,611,686,018,427,387,904"} {
		if got := words.Count(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		decimals int
		want     string
	}{
		"1234.5":                          {2, "1,234.50"},
		"-0.07":                           {2, "-0.07"},
		"-1234.56":                        {2, "-1,234.56"},
		"100000000000000000000000000":     {0, "100,000,000,000,000,000,000,000,000"},
		"99999999999999999999999999.9990": {4, "99,999,999,999,999,999,999,999,999.9990"},
	} {
		n, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatal(text)
		}
		if got := words.Decimal(n, c.decimals); got != c.want {
			t.Errorf("%s: %s, want %s", text, got, c.want)
		}
	}
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for amount, want := range map[string]string{"1234567.80": "1,234,567.80", "12": "12", "-0.07": "-0.07", "n/a": "n/a", "": ""} {
		if got := words.Money(amount); got != want {
			t.Errorf("%q: %q, want %q", amount, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 invoices", 1: "1 invoice", 2: "2 invoices", 1000: "1,000 invoices"} {
		if got := words.Plural(n, "invoice"); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	if got := words.OneLine("a\nb\x1b[2J\tc"); got != "a b [2J c" {
		t.Errorf("%q", got)
	}
	if got := words.Squeeze(" a\n  b\x1b c "); got != "a b  c" {
		t.Errorf("%q", got)
	}
}

// What is wide takes two columns, what combines none.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line    string
		columns int
		want    string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"請求書", 6, "請求書"},
		{"請求書", 5, "請求…"},
		{"請求書", 4, "請…"},
		{"e\u0301e\u0301", 2, "e\u0301e\u0301"},
		{"e\u0301e\u0301e", 2, "e\u0301…"},
		{"👩‍👩‍👧x", 3, "👩‍👩‍👧x"},
		{"abc", 1, "…"},
	} {
		if got := words.Cut(c.line, c.columns); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.line, c.columns, got, c.want)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line    string
		columns int
		want    string
	}{
		{"short", 10, "short"},
		{"7 in doubt of ten", 10, "7 in doubt\n  of ten"},
		{"  two are deeper here", 14, "  two are\n    deeper\n    here"},
		{"a  b  the last column", 16, "a  b  the last\n      column"},
		{"the first  is wide here", 16, "the first is\n  wide here"},
		{"see `batch status` now", 16, "see\n  `batch status`\n  now"},
		{"`batch status --open --json` of", 12, "`batch\n  status\n  --open\n  --json` of"},
		{"請求書請求書請求書", 8, "請求書\n  請求書\n  請求書"},
		{`{"error":"card_declined"}`, 12, "{\"error\":\"\n  card_decli\n  ned\"}"},
	} {
		got := words.Fold(c.line, c.columns)
		if got != c.want {
			t.Errorf("%q in %d columns:\n%s\nwant\n%s", c.line, c.columns, got, c.want)
		}
		for _, line := range strings.Split(got, "\n") {
			if words.Width(line) > c.columns {
				t.Errorf("%q is wider than %d", line, c.columns)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text          string
		columns       int
		first, others string
		want          string
	}{
		{"one two  three\nfour", 9, "", "  ", "one two\n  three\n  four"},
		{"one two", 7, "", "", "one two"},
		{"one two", 8, "  ", "  ", "  one\n  two"},
		{"請求 書", 6, "", "", "請求\n書"},
		{"morethanten a", 5, "- ", "  ", "- morethanten\n  a"},
		{"", 5, "  ", "", "  "},
	} {
		if got := words.Wrap(c.text, c.columns, c.first, c.others); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"42": "42", "-7": "-7", "ä": "'ä'", "a-b_c.d:e/f@g": "a-b_c.d:e/f@g", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(rm)": "'$(rm)'",
	} {
		if got := words.ShellWord(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	for perSecond, want := range map[float64]string{0.25: "0.25", 25.0 / 3: "8.33", 99.96: "100", 1414: "1,414"} {
		if got := words.Rate(perSecond); got != want {
			t.Errorf("%v is %s, want %s", perSecond, got, want)
		}
	}
}
