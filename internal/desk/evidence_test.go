package desk

import "testing"

// What an API said keeps to its line, and moves no cursor.
func TestSeenText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		text, want string
	}{
		{500, "a\nb\x1b[2J", "HTTP 500, a b [2J"},
		{0, "", "no reply"},
		{402, "", "HTTP 402"},
		{402, "HTTP 402 no card", "HTTP 402 no card"},
		{0, "connection reset", "connection reset"},
	} {
		if got := seenText(c.status, c.text); got != c.want {
			t.Errorf("%d %q: %q, want %q", c.status, c.text, got, c.want)
		}
	}
}
