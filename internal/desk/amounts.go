package desk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"billonce/internal/billing"
	"billonce/internal/words"
)

// Amounts adds up what invoices bill, by currency. Columns that are not named are
// recognised: for the amount it is the first number with "amount" in its name, else with
// "total".
type Amounts struct {
	Column   string // INVOICES_AMOUNT
	Currency string // INVOICES_CURRENCY
	sums     map[string]*sum
}

type sum struct {
	value big.Rat
	scale int // decimals of what has most
}

// Add takes one invoice's row, as JSON.
func (a *Amounts) Add(row json.RawMessage) {
	columns, values := decodeRow(row)
	if a.Column == "" {
		a.Column = amountColumn(columns, values)
	}
	currency := a.Currency
	if currency == "" {
		currency = billing.CurrencyColumn(columns)
	}
	var code string
	_ = json.Unmarshal(values[currency], &code) // what is no text is no currency
	one := billing.NewAmount(a.Column, string(values[a.Column]), code)
	value, ok := new(big.Rat).SetString(one.Value)
	if !ok {
		return
	}
	if a.sums == nil {
		a.sums = make(map[string]*sum)
	}
	if a.sums[one.Currency] == nil {
		a.sums[one.Currency] = &sum{}
	}
	s := a.sums[one.Currency]
	s.value.Add(&s.value, value)
	_, decimals, _ := strings.Cut(one.Value, ".")
	s.scale = max(s.scale, len(decimals))
}

// String is a line for people; empty where there is no such column.
func (a *Amounts) String() string {
	var parts []string
	for currency, s := range a.sums {
		parts = append(parts, strings.TrimSpace(words.Decimal(&s.value, s.scale)+" "+words.OneLine(currency)))
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return fmt.Sprintf("Their %s adds up to %s.", words.OneLine(a.Column), strings.Join(parts, ", "))
}

func amountColumn(columns []string, values map[string]json.RawMessage) string {
	for _, word := range []string{"amount", "total"} {
		for _, c := range columns {
			if strings.Contains(strings.ToLower(c), word) && isNumber(values[c]) {
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
