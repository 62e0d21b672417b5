package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/billonce/billonce/internal/words"
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

// endless is a width at which no line is broken.
const endless = 1 << 20

// Print writes the report for people: a line for each check, and below it what to do.
// Lines are broken at a width in columns (0: they are not). What is copied stays whole.
func (r Report) Print(out io.Writer, color bool, width int) error {
	if width <= 0 {
		width = endless
	}
	check := 0
	for _, f := range r {
		check = max(check, words.Width(f.Check))
	}
	verdict := len(Refused)
	p := page{width: width, indent: strings.Repeat(" ", verdict+2+check+2)}
	for _, f := range r {
		first := string(f.Verdict) + strings.Repeat(" ", verdict-len(f.Verdict)+2) + f.Check + strings.Repeat(" ", check-words.Width(f.Check)+2)
		p.say(first, p.indent, f.Seen)
		if f.Remedy != "" {
			p.say(p.indent+"→ ", p.indent+"  ", f.Remedy)
		}
		if color {
			p.paint(f.Verdict)
		}
		if _, err := fmt.Fprint(out, p.text.String()); err != nil {
			return err
		}
		p.text.Reset()
	}
	return nil
}

// page is what is printed of one finding.
type page struct {
	text   strings.Builder
	width  int
	indent string
}

// say writes a text whose first line begins with first, the others with others. A line
// that is indented itself stands as it is: SQL with what PostgreSQL points at, a command.
func (p *page) say(first, others, text string) {
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch {
		case i == 0:
		case strings.HasPrefix(line, verbatim):
			p.text.WriteString(p.narrowed(others) + words.OneLine(strings.TrimPrefix(line, verbatim)) + "\n")
			continue
		default:
			first = others
		}
		p.text.WriteString(words.WrapHeld(line, p.width, first, others) + "\n")
	}
}

// verbatim begins a line that is not broken.
const verbatim = "    "

// narrowed leaves what is copied more room on a narrow terminal.
func (p *page) narrowed(indent string) string {
	if p.width < endless {
		return verbatim
	}
	return indent
}

const uncolored = "\x1b[0m"

// paint gives the verdict its colour.
func (p *page) paint(v Verdict) {
	color := "\x1b[32m"
	switch v {
	case Refused:
		color = "\x1b[31m"
	case Warning:
		color = "\x1b[33m"
	}
	text := strings.Replace(p.text.String(), string(v), color+string(v)+uncolored, 1)
	p.text.Reset()
	p.text.WriteString(text)
}
