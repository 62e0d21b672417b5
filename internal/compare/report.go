package compare

import (
	"encoding/json"
	"io"
	"slices"
)

// Report is what a comparison has found.
type Report struct {
	Settings   Settings `json:"settings"`
	PostgreSQL string   `json:"postgresql"`
	Strategies []Totals `json:"strategies"`
	Finding    string   `json:"finding"`
	Cells      []Cell   `json:"cells"`
}

// Totals are one strategy's cells taken together.
type Totals struct {
	Strategy           string `json:"strategy"`
	Seconds            Spread `json:"seconds"`
	InvoicesPerSecond  Spread `json:"invoices_per_second"`
	WALBytesPerInvoice Spread `json:"wal_bytes_per_invoice"`
	CommitsPerThousand Spread `json:"commits_per_1000_invoices"`
	Requests           Spread `json:"requests"`
	Duplicates         int    `json:"duplicates"` // of all rounds
}

// Spread is what a number came to over the rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// NewReport draws cells together, strategies in the order of their first cells.
func NewReport(s Settings, postgresql string, cells []Cell) Report {
	r := Report{Settings: s, PostgreSQL: postgresql, Cells: cells}
	byStrategy := map[string][]Cell{}
	var order []string
	for _, c := range cells {
		if byStrategy[c.Strategy] == nil {
			order = append(order, c.Strategy)
		}
		byStrategy[c.Strategy] = append(byStrategy[c.Strategy], c)
	}
	for _, strategy := range order {
		r.Strategies = append(r.Strategies, newTotals(s, strategy, byStrategy[strategy]))
	}
	r.Finding = r.find()
	return r
}

func newTotals(s Settings, strategy string, cells []Cell) Totals {
	invoices := float64(s.Invoices)
	t := Totals{
		Strategy:           strategy,
		Seconds:            spreadOf(cells, func(c Cell) float64 { return c.Seconds }),
		InvoicesPerSecond:  spreadOf(cells, func(c Cell) float64 { return invoices / c.Seconds }),
		WALBytesPerInvoice: spreadOf(cells, func(c Cell) float64 { return float64(c.WALBytes) / invoices }),
		CommitsPerThousand: spreadOf(cells, func(c Cell) float64 { return 1000 * float64(c.Commits) / invoices }),
		Requests:           spreadOf(cells, func(c Cell) float64 { return float64(c.Requests) }),
	}
	for _, c := range cells {
		t.Duplicates += c.Duplicates
	}
	return t
}

func spreadOf(cells []Cell, number func(Cell) float64) Spread {
	values := make([]float64, len(cells))
	for i, c := range cells {
		values[i] = number(c)
	}
	slices.Sort(values)
	middle := len(values) / 2
	median := values[middle]
	if len(values)%2 == 0 {
		median = (values[middle-1] + values[middle]) / 2
	}
	return Spread{Median: median, Min: values[0], Max: values[len(values)-1]}
}

// Duplicates is how many invoices were billed more than once, in any cell.
func (r Report) Duplicates() (n int) {
	for _, t := range r.Strategies {
		n += t.Duplicates
	}
	return n
}

// WriteJSON writes the whole report.
func (r Report) WriteJSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
