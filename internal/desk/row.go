package desk

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Row is what people are shown of an invoice beside its key.
type Row struct {
	Amount   *string `json:"amount,omitempty"` // in the currency's unit
	Currency *string `json:"currency,omitempty"`
	Shown    []Shown `json:"shown,omitempty"` // INVOICES_SHOW; the same columns for all invoices of a list that are there
	Link     string  `json:"link,omitempty"`  // INVOICES_LINK; empty: not known
}

// Shown is what an invoice's row says in one column.
type Shown struct {
	Name  string `json:"name"`
	Value string `json:"value"` // empty: NULL
}

// Column is a column of the invoices' table.
type Column struct {
	Name     string
	IsNumber bool
	Short    bool // its values are short enough to be shown beside others
}

// shownUnasked is how many columns are shown where INVOICES_SHOW names none.
const shownUnasked = 5

// WhatFits chooses the columns that are shown where INVOICES_SHOW names none: the
// table's first ones that are short, but for those to be left out.
func WhatFits(columns []Column, leave func(column string) bool) (fit []string) {
	for _, c := range columns {
		if c.Short && !leave(c.Name) && len(fit) < shownUnasked {
			fit = append(fit, c.Name)
		}
	}
	return fit
}

// Billed are the columns of the amount and the currency: those that are named, else
// those that look like it.
func Billed(columns []Column, amount, currency string) (string, string) {
	var names, numbers []string
	for _, c := range columns {
		names = append(names, c.Name)
		if c.IsNumber {
			numbers = append(numbers, c.Name)
		}
	}
	if amount == "" {
		amount = amountColumn(numbers)
	}
	if currency == "" {
		currency = billing.CurrencyColumn(names)
	}
	return amount, currency
}

// SetBilled says what the row bills, where the ledger doesn't.
func (r *Row) SetBilled(a billing.Amount) {
	if r.Amount != nil || a.Value == "" {
		return
	}
	r.Amount = &a.Value
	if a.Currency != "" {
		r.Currency = &a.Currency
	}
}

// shownWidth is how many columns of a terminal one value takes at most.
const shownWidth = 40

// print writes it on lines of their own, if there is anything to show.
func (r Row) print(out io.Writer, indent string) {
	var parts []string
	if r.Amount != nil {
		parts = append(parts, strings.TrimSpace(words.Money(*r.Amount)+" "+text(r.Currency)))
	}
	for _, s := range r.Shown {
		if s.Value != "" {
			parts = append(parts, s.Name+" "+words.Cut(words.Squeeze(s.Value), shownWidth))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(out, "%s%s\n", indent, words.OneLine(strings.Join(parts, ", ")))
	}
	if r.Link != "" {
		fmt.Fprintf(out, "%s%s\n", indent, r.Link)
	}
}

// rowTable is a table with what people are shown of each invoice, and an empty column for
// decisions.
type rowTable struct {
	table
	shown []string
}

// newRowTable names a column of the invoices' as it is, unless one of ours is named so.
func newRowTable(out io.Writer, rows []Row, ours ...string) (rowTable, error) {
	var t rowTable
	for _, r := range rows {
		for _, s := range r.Shown {
			if !slices.Contains(t.shown, s.Name) {
				t.shown = append(t.shown, s.Name)
			}
		}
	}
	all := append(slices.Clone(ours), "link", "decision")
	header := slices.Clone(ours)
	for _, name := range t.shown {
		if slices.Contains(all, name) {
			name = "invoice." + name
		}
		header = append(header, name)
	}
	var err error
	t.table, err = newTable(out, append(header, "link", "decision")...)
	return t, err
}

func (t rowTable) row(r Row, ours ...string) error {
	shown := make([]string, len(t.shown))
	for _, s := range r.Shown {
		if at := slices.Index(t.shown, s.Name); at >= 0 { // the table may get a column meanwhile
			shown[at] = s.Value
		}
	}
	return t.table.row(append(append(ours, shown...), r.Link, "")...)
}
