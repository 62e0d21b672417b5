package doctor

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"

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

// Print writes the report for people: a line for each check, and below it what
// to do.
func (r Report) Print(out io.Writer, color bool) error {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range r {
		verdict, blank := string(f.Verdict), ""
		if color {
			// A blank cell has a colour, too: all of a column are as wide then.
			verdict, blank = paint(f.Verdict)+verdict+uncolored, paint(f.Verdict)+uncolored
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", verdict, f.Check, words.Squeeze(f.Seen))
		if f.Remedy != "" {
			fmt.Fprintf(table, "%s\t\t→ %s\n", blank, words.Squeeze(f.Remedy))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := b.WriteTo(out)
	return err
}

const uncolored = "\x1b[0m"

func paint(v Verdict) string {
	switch v {
	case Refused:
		return "\x1b[31m"
	case Warning:
		return "\x1b[33m"
	}
	return "\x1b[32m"
}
