package document

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBlocksOfADocument(t *testing.T) {
	t.Parallel()
	const page = "a\n```sh\none\ntwo\n```\nb\n```\nplain\n```\n```text\nthree\n```\n```sql\nnever closed\n"
	var got [][2]string
	for _, b := range Blocks(page) {
		got = append(got, [2]string{b.Language, b.Text})
	}
	want := [][2]string{{"sh", "one\ntwo\n"}, {"", "plain\n"}, {"text", "three\n"}, {"open end", "never closed\n\n"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A page's … is neither a line that is missing nor one that is too many.
func TestOutputOfADocument(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shown, printed string
		match          bool
	}{
		{"2 sent in …\n", "2 sent in 3ms\n", true},
		{"2 sent in …\n", "3 sent in 3ms\n", false},
		{"2 sent in …\n", "2 sent in 3ms\n1 failed\n", false},
		{"2 sent in …\n", "a\n2 sent in 3ms\n", false},
		{"2 sent … ms\n", "2 sent\n3 ms\n", false},
		{"2 sent (…)\n", "2 sent (3)\n", true},
		{"2 sent.\n", "2 sent!\n", false},
		{"…\nb\n", "b\n", true},
		{"…\nb\n", "a\na\nb\n", true},
		{"…\nb\n", "a\n", false},
		{"a\n…\n", "a\nb\n", true},
		{"a\n", "", false},
	} {
		if got := outputPattern(c.shown).MatchString(c.printed); got != c.match {
			t.Errorf("shown %q, printed %q: %v, want %v", c.shown, c.printed, got, c.match)
		}
	}
}
