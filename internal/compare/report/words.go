package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/billonce/billonce/internal/words"
)

// amount puts a ratio into words: 1.35 is "35 % more".
func amount(x float64, more, less string) string {
	word := more
	if x < 1 {
		word = less
	}
	p := 100 * math.Abs(x-1)
	switch {
	case x >= 2:
		return fmt.Sprintf("%.1f times the", x)
	case p < 1:
		return "less than 1 % " + word
	}
	return fmt.Sprintf("%.0f %% %s", p, word)
}

// percent is a ratio as a signed difference.
func percent(x float64) string {
	return strings.Replace(fmt.Sprintf("%+.0f %%", 100*(x-1)), "-", "−", 1)
}

func latency(ms float64) string { return number(ms) + " ms" }

func number(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }

func invoices(n int) string { return words.Plural(n, "invoice") }

func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
