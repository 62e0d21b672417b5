package compare

import (
	"fmt"
	"io"
	"strings"
)

const columns = 100 // of the terminal that the text is for

// WriteText writes the report for people.
func (r Report) WriteText(out io.Writer) error {
	var b strings.Builder
	s := r.Settings
	fmt.Fprintf(&b, "%s invoices, %d runners with up to %d requests in flight each, an API that takes %s,\n",
		thousands(float64(s.Invoices)), s.Runners, s.Concurrency, s.Latency)
	fmt.Fprintf(&b, "%d rounds on PostgreSQL %s: the median, and the least and the most\n\n", s.Rounds, r.PostgreSQL)

	line := func(title string, cell func(Totals) string) {
		fmt.Fprintf(&b, "%-27s", title)
		for i, t := range r.Strategies {
			if i < len(r.Strategies)-1 {
				fmt.Fprintf(&b, " %-30s", cell(t))
			} else {
				fmt.Fprintf(&b, " %s\n", cell(t))
			}
		}
	}
	line("", func(t Totals) string { return t.Strategy })
	line("seconds", func(t Totals) string { return t.Seconds.text(hundredths) })
	line("invoices a second", func(t Totals) string { return t.InvoicesPerSecond.text(thousands) })
	line("WAL bytes an invoice", func(t Totals) string { return t.WALBytesPerInvoice.text(thousands) })
	line("commits per 1,000 invoices", func(t Totals) string { return t.CommitsPerThousand.text(thousands) })
	line("requests", func(t Totals) string { return t.Requests.text(thousands) })
	line("billed more than once", func(t Totals) string { return thousands(float64(t.Duplicates)) })

	fmt.Fprintf(&b, "\n%s\n", wrap(r.Finding))
	_, err := io.WriteString(out, b.String())
	return err
}

func (s Spread) text(number func(float64) string) string {
	least, most := number(s.Min), number(s.Max)
	if least == most {
		return least
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), least, most)
}

func hundredths(x float64) string { return fmt.Sprintf("%.2f", x) }

// thousands rounds to a whole number and separates its thousands.
func thousands(x float64) string {
	digits := fmt.Sprintf("%.0f", x)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// wrap breaks a sentence into lines.
func wrap(sentence string) string {
	var b strings.Builder
	width := 0
	for i, word := range strings.Fields(sentence) {
		switch {
		case i == 0:
		case width+1+len(word) > columns:
			b.WriteByte('\n')
			width = 0
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += len(word)
	}
	return b.String()
}
