package desk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"billonce/internal/words"
)

// Amounts adds up the column that looks like what is billed: the first number with
// "amount" in its name, else with "total"; by the column currency, if there is one.
type Amounts struct {
	column string // empty: none was found yet
	sums   map[string]*big.Rat
	scale  int
}

// Add takes one invoice's row, as JSON.
func (a *Amounts) Add(row json.RawMessage) {
	columns, values := decodeRow(row)
	if a.column == "" {
		a.column = amountColumn(columns, values)
		a.sums = make(map[string]*big.Rat)
	}
	text := string(values[a.column])
	value, ok := new(big.Rat).SetString(text)
	if !isNumber(values[a.column]) || !ok {
		return
	}
	var currency string
	_ = json.Unmarshal(values["currency"], &currency) // what is no text is no currency
	if a.sums[currency] == nil {
		a.sums[currency] = new(big.Rat)
	}
	a.sums[currency].Add(a.sums[currency], value)
	if _, decimals, found := strings.Cut(text, "."); found {
		a.scale = max(a.scale, len(decimals))
	}
}

// String is a line for people; empty where there is no such column.
func (a *Amounts) String() string {
	var parts []string
	for currency, sum := range a.sums {
		parts = append(parts, strings.TrimSpace(words.Decimal(sum, a.scale)+" "+words.OneLine(currency)))
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return fmt.Sprintf("Their %s adds up to %s.", words.OneLine(a.column), strings.Join(parts, ", "))
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
