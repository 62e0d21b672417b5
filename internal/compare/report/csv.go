package report

import (
	"encoding/csv"
	"io"
	"strconv"
)

// WriteCSV writes a line for each cell, under one of names. What could not be
// measured is empty.
func (r Report) WriteCSV(out io.Writer) error {
	w := csv.NewWriter(out)
	head := []string{"strategy", "runners", "latency_ms", "claim_size", "round", "invoices", "seconds"}
	for _, m := range measures() {
		head = append(head, m.column())
	}
	_ = w.Write(head) // Error tells
	for _, c := range r.Cells {
		line := []string{
			c.Strategy, strconv.Itoa(c.Runners), number(c.LatencyMS), strconv.Itoa(c.ClaimSize),
			strconv.Itoa(c.Round), strconv.Itoa(c.Invoices), number(c.Seconds),
		}
		for _, m := range measures() {
			text := ""
			if v, ok := m.of(c); ok {
				text = number(v)
			}
			line = append(line, text)
		}
		_ = w.Write(line)
	}
	w.Flush()
	return w.Error()
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }

// column is the measure's name where there is no room for its unit beside it.
func (m measure) column() string {
	switch m.key {
	case "transactions", "commits", "wal_bytes", "dirtied_pages", "dead_tuples":
		return m.key + "_per_invoice"
	}
	return m.key
}
