package words

import (
	"math/big"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/rivo/uniseg"
)

// Count writes a number with its thousands separated: 12,345.
func Count[N ~int | ~int32 | ~int64](n N) string { return humanize.Comma(int64(n)) }

// Decimal writes a number with so many decimals, and its thousands separated. Sums of
// money may be larger than any number of the machine's.
func Decimal(n *big.Rat, decimals int) string {
	text := n.FloatString(decimals)
	whole, fraction, found := strings.Cut(text, ".")
	if found {
		fraction = "." + fraction
	}
	value, ok := new(big.Int).SetString(whole, 10)
	if !ok {
		return text
	}
	separated := humanize.BigComma(value)
	if strings.HasPrefix(whole, "-") && value.Sign() == 0 {
		separated = "-" + separated // -0.07
	}
	return separated + fraction
}

// Plural is a number and what it counts: 1 invoice, 2 invoices.
func Plural[N ~int | ~int32 | ~int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + one + "s"
}

// Stamp writes a time as it is in its zone.
func Stamp(t time.Time) string { return t.Format(time.RFC3339) }

// OneLine keeps a text from breaking a page's lines, or moving its cursor: what is
// not printable becomes a space.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// Squeeze is a text on one line, with one space wherever it had several or a new line.
func Squeeze(text string) string { return OneLine(strings.Join(strings.Fields(text), " ")) }

// Width is how many columns a text takes on a terminal.
func Width(text string) int { return uniseg.StringWidth(text) }

// Cut shortens a line to a number of columns, and shows that it did.
func Cut(line string, columns int) string {
	if Width(line) <= columns {
		return line
	}
	var kept strings.Builder
	used := 0
	for state, rest := -1, line; rest != ""; {
		var cluster string
		var width int
		cluster, rest, width, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used += width; used > columns-1 {
			break
		}
		kept.WriteString(cluster)
	}
	return kept.String() + "…"
}

// Wrap breaks a text into lines of at most so many columns, of which the first begins
// with one indent and the others with another. A word that is longer stands alone.
func Wrap(text string, columns int, first, others string) string {
	var b strings.Builder
	b.WriteString(first)
	used := Width(first)
	for i, word := range strings.Fields(text) {
		width := Width(word)
		switch {
		case i == 0:
		case used+1+width > columns:
			b.WriteString("\n" + others)
			used = Width(others)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += width
	}
	return b.String()
}

// ShellWord quotes a word for a shell, where it needs that.
func ShellWord(word string) string {
	plain := !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_.:/@", r))
	})
	if plain && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
