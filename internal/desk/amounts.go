package desk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Amounts adds up what invoices bill, by currency. Columns that are not named are
// recognised: for the amount it is the first number with "amount" in its name, else with
// "total".
type Amounts struct {
	Column   string // INVOICES_AMOUNT
	Currency string // INVOICES_CURRENCY
	sums     sums
}

// Add takes one invoice's row, as JSON.
func (a *Amounts) Add(row json.RawMessage) {
	columns, values := decodeRow(row)
	if a.Column == "" {
		a.Column = amountColumn(slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return !isNumber(values[c]) }))
	}
	currency := a.Currency
	if currency == "" {
		currency = billing.CurrencyColumn(columns)
	}
	var code string
	_ = json.Unmarshal(values[currency], &code) // what is no text is no currency
	one := billing.NewAmount(a.Column, string(values[a.Column]), code)
	if a.sums == nil {
		a.sums = sums{}
	}
	a.sums.add(one.Value, one.Currency)
}

// String is a line for people; empty where there is no such column.
func (a *Amounts) String() string {
	if len(a.sums) == 0 {
		return ""
	}
	return fmt.Sprintf("Together %s (the column %s).", a.sums, words.OneLine(a.Column))
}

func amountColumn(numbers []string) string {
	for _, word := range []string{"amount", "total"} {
		for _, c := range numbers {
			if strings.Contains(strings.ToLower(c), word) {
				return c
			}
		}
	}
	return ""
}

func isNumber(value json.RawMessage) bool {
	return len(value) > 0 && (value[0] == '-' || value[0] >= '0' && value[0] <= '9')
}

// decodeRow keeps the order of the table's columns, which a map has not.
func decodeRow(row json.RawMessage) (columns []string, values map[string]json.RawMessage) {
	values = make(map[string]json.RawMessage)
	d := json.NewDecoder(bytes.NewReader(row))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, values
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return columns, values
		}
		column, _ := name.(string)
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return columns, values
		}
		columns, values[column] = append(columns, column), value
	}
	return columns, values
}
