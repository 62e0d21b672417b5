package words

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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

// Money is [Decimal] of an amount as text, with as many decimals as it has; what is no
// number stays.
func Money(amount string) string {
	n, ok := new(big.Rat).SetString(amount)
	if !ok {
		return amount
	}
	_, decimals, _ := strings.Cut(amount, ".")
	return Decimal(n, len(decimals))
}

// Plural is a number and what it counts: 1 invoice, 2 invoices.
func Plural[N ~int | ~int32 | ~int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + one + "s"
}

// Rate writes how many a second: 0.25, 8.33, 1,410.
func Rate(perSecond float64) string {
	if perSecond >= 100 {
		return Count(int64(math.Round(perSecond)))
	}
	return fmt.Sprintf("%.3g", perSecond)
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

// Printable makes one line of a text of others, with nothing in it that a terminal or a log
// would obey, or that would be seen by nobody.
func Printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// Storable makes a text fit for PostgreSQL's: valid UTF-8 without zero bytes.
func Storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "")
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

// Fold breaks a line of a page for people into lines of at most so many columns. What is
// folded stands below the last column of a table, else a little deeper than it began. A
// command in backquotes is not broken, unless it is longer than a line.
func Fold(line string, columns int) string {
	if Width(line) <= columns {
		return line
	}
	const deeper, gap = 2, "  "
	lead := len(line) - len(strings.TrimLeft(line, " "))
	first, rest := line[:lead], line[lead:]
	others := strings.Repeat(" ", lead+deeper)
	if at := strings.LastIndex(rest, gap); at >= 0 && Width(line[:lead+at+len(gap)]) <= columns/2 {
		at += lead + len(gap)
		first, rest, others = line[:at], line[at:], strings.Repeat(" ", Width(line[:at]))
	}
	return WrapHeld(rest, columns, first, others)
}

// held stands for a space at which no line is broken.
const held = "\u2420"

// WrapHeld is [Wrap] that keeps a command in backquotes on one line, and breaks a word
// that is longer than a line.
func WrapHeld(text string, columns int, first, others string) string {
	room := max(columns-max(Width(first), Width(others)), 1)
	parts := strings.Split(text, "`")
	for i := 1; i < len(parts); i += 2 {
		if Width(parts[i])+2 <= room {
			parts[i] = strings.ReplaceAll(parts[i], " ", held)
		}
	}
	var fitting []string
	for _, word := range strings.Fields(strings.Join(parts, "`")) {
		fitting = append(fitting, pieces(word, room)...)
	}
	return strings.ReplaceAll(Wrap(strings.Join(fitting, " "), columns, first, others), held, " ")
}

// pieces are a word, broken where it is longer than so many columns.
func pieces(word string, columns int) (all []string) {
	from, used := 0, 0
	for state, rest := -1, word; rest != ""; {
		at := len(word) - len(rest)
		var width int
		_, rest, width, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used+width > columns && at > from {
			all = append(all, word[from:at])
			from, used = at, 0
		}
		used += width
	}
	return append(all, word[from:])
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
