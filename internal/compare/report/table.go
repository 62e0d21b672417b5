package report

import "github.com/billonce/billonce/internal/words"

// table is every scenario's medians and spreads.
type table struct {
	Heads []tableHead
	Rows  []tableRow
}

type tableHead struct{ Title, Unit, Note string }

type tableRow struct {
	Scenario
	Latency  string
	Claim    string
	Invoices int
	Values   []string
}

func (r Report) table() table {
	var t table
	for _, m := range measures() {
		t.Heads = append(t.Heads, tableHead{m.title, m.unit, m.note})
	}
	for _, x := range r.Results {
		row := tableRow{Scenario: x.Scenario, Latency: latency(x.LatencyMS), Claim: "–", Invoices: x.Invoices}
		if x.ClaimSize > 0 {
			row.Claim = words.Count(x.ClaimSize)
		}
		for _, m := range measures() {
			value := "–"
			if _, found := x.Measures[m.key]; found {
				value = x.spread(m.key)
			}
			row.Values = append(row.Values, value)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
