package web

import (
	"strings"
	"unicode"
)

// longestText is how much of a text a page shows, in characters: an API may answer with a
// megabyte.
const longestText = 1000

// plain is a text on one line, cut where nobody reads on. What moves a cursor, or turns the
// direction of the text around it (Unicode, UAX #9: a name could look like another one),
// is a space.
func plain(text string) string {
	n := 0
	for i := range text {
		if n++; n > longestText {
			text = text[:i] + "…"
			break
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text)
}
