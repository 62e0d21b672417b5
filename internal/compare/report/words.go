package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/billonce/billonce/internal/words"
)

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
