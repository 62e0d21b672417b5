package report

import (
	"fmt"
	"math"

	"github.com/billonce/billonce/internal/words"
)

// measure is one of the numbers that a sample comes to: how it is called, told and
// read.
type measure struct {
	key, title, unit string
	note             string // for who reads the page
	compared         bool   // row against advisory, as a ratio
	number           func(float64) string
	of               func(Sample) (float64, bool) // false: it could not be measured
}

func measures() []measure {
	each := func(number func(Sample) float64) func(Sample) (float64, bool) {
		return func(c Sample) (float64, bool) { return number(c), true }
	}
	perInvoice := func(number func(Sample) int64) func(Sample) (float64, bool) {
		return func(c Sample) (float64, bool) { return float64(number(c)) / float64(c.Invoices), true }
	}
	return []measure{
		{
			"invoices_per_second", "Invoices a second", "", "from the starting signal until the last one was marked as sent",
			true, whole, each(func(c Sample) float64 { return float64(c.Invoices) / c.Seconds }),
		},
		{"requests", "Requests", "", "by the API's count", false, whole, each(func(c Sample) float64 { return float64(c.Requests) })},
		{"duplicates", "Billed twice", "", "invoices with more than one effect, by the API's count", false, whole, each(func(c Sample) float64 { return float64(c.Duplicates) })},
		{"p50_ms", "Wait, p50", "ms", "from claim to settled", true, digits, each(func(c Sample) float64 { return c.P50MS })},
		{"p95_ms", "Wait, p95", "ms", "from claim to settled", true, digits, each(func(c Sample) float64 { return c.P95MS })},
		{"p99_ms", "Wait, p99", "ms", "from claim to settled", true, digits, each(func(c Sample) float64 { return c.P99MS })},
		{"connections", "Connections", "", "most at the same time, of all runners", false, whole, each(func(c Sample) float64 { return float64(c.Connections) })},
		{
			"transactions", "Transactions", "an invoice", "all of the database, with the runners' starts and ends",
			true, digits, perInvoice(func(c Sample) int64 { return c.Transactions }),
		},
		{
			"commits", "Commits", "an invoice", "transactions that wrote something",
			true, digits, perInvoice(func(c Sample) int64 { return c.Commits }),
		},
		{"wal_bytes", "WAL", "bytes an invoice", "of the whole server", true, whole, perInvoice(func(c Sample) int64 { return c.WALBytes })},
		{
			"dirtied_pages", "Dirtied pages", "an invoice", "written by the checkpoint behind the sample",
			true, digits, func(c Sample) (float64, bool) {
				if c.DirtiedPages == nil {
					return 0, false
				}
				return float64(*c.DirtiedPages) / float64(c.Invoices), true
			},
		},
		{"lock_entries", "Lock table entries", "", "most at the same time, of all runners", false, whole, each(func(c Sample) float64 { return float64(c.LockEntries) })},
		{"held", "Held by others", "", "candidates that another runner had locked", false, whole, each(func(c Sample) float64 { return float64(c.Held) })},
		{
			"horizon_seconds", "Vacuum held back", "s", "longest that one transaction kept vacuum from removing anything newer",
			false, hundredths, each(func(c Sample) float64 { return c.HorizonSeconds }),
		},
		{"dead_tuples", "Dead tuples", "an invoice", "left for vacuum", true, digits, perInvoice(func(c Sample) int64 { return c.DeadTuples })},
	}
}

func measureOf(key string) measure {
	for _, m := range measures() {
		if m.key == key {
			return m
		}
	}
	return measure{key: key, title: key, number: digits}
}

// name is the measure with its unit.
func (m measure) name() string {
	switch m.unit {
	case "":
		return m.title
	case "an invoice":
		return m.title + " " + m.unit
	}
	return m.title + ", " + m.unit
}

func hundredths(x float64) string { return fmt.Sprintf("%.2f", x) }

// digits shows three that count.
func digits(x float64) string {
	switch {
	case x == 0:
		return "0"
	case math.Abs(x) >= 100:
		return whole(x)
	case math.Abs(x) >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return hundredths(x)
}

// whole rounds, and separates the thousands.
func whole(x float64) string { return words.Count(int64(math.Round(x))) }
