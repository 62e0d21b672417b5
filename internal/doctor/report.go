package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Report is all findings, in the order of the checks.
type Report []Finding

// Worst is the gravest verdict.
func (r Report) Worst() Verdict {
	worst := OK
	for _, f := range r {
		if f.Verdict == Refused || f.Verdict == Warning && worst == OK {
			worst = f.Verdict
		}
	}
	return worst
}

// verdictWidth is that of the longest verdict.
const verdictWidth = len(Warning)

// Print writes the report for people: a line for each check, and below it what
// to do.
func (r Report) Print(out io.Writer, color bool) error {
	width := 0
	for _, f := range r {
		width = max(width, utf8.RuneCountInString(f.Check))
	}
	var b strings.Builder
	for _, f := range r {
		verdict := fmt.Sprintf("%-*s", verdictWidth, f.Verdict)
		if color {
			verdict = paint(f.Verdict) + verdict + "\x1b[0m"
		}
		fmt.Fprintf(&b, "%s  %-*s  %s\n", verdict, width, f.Check, oneLine(f.Seen))
		if f.Remedy != "" {
			fmt.Fprintf(&b, "%*s→ %s\n", verdictWidth+width+4, "", oneLine(f.Remedy))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// oneLine keeps the columns whole: PostgreSQL's words may have several lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func paint(v Verdict) string {
	switch v {
	case Refused:
		return "\x1b[31m"
	case Warning:
		return "\x1b[33m"
	}
	return "\x1b[32m"
}
