package billing

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"github.com/bojanz/currency"
)

// Amount is what an invoice bills. Either part may be missing.
type Amount struct {
	Value    string // a decimal number, in the currency's unit; empty: not known
	Currency string // in upper case, as ISO 4217 has it; empty: not known
}

// NewAmount makes an amount of what a row's columns say, as text. What is no number, and
// NaN and the infinities, are no amount.
func NewAmount(column, value, code string) Amount {
	a := Amount{Currency: strings.ToUpper(strings.TrimSpace(code))}
	number, decimals, ok := parseDecimal(value)
	if !ok {
		return a
	}
	if countsMinor(column) {
		digits := 2
		if d, known := currency.GetDigits(a.Currency); known {
			digits = int(d)
		}
		number.Quo(number, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)))
		decimals += digits
	}
	a.Value = number.FloatString(decimals)
	return a
}

// countsMinor says of a column's name whether its amounts are in the currency's smallest
// unit.
func countsMinor(column string) bool {
	column = strings.ToLower(column)
	return strings.HasSuffix(column, "_cents") || strings.HasSuffix(column, "_minor")
}

// parseDecimal reads a number as JSON has it (RFC 8259, 6), and how many decimals it has.
// The exponent is bounded by what float8 has.
func parseDecimal(text string) (number *big.Rat, decimals int, ok bool) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if !json.Valid([]byte(text)) || strings.Trim(mantissa, "-.0123456789") != "" || len(exponent) > len("+308") {
		return nil, 0, false
	}
	number, ok = new(big.Rat).SetString(text)
	if !ok {
		return nil, 0, false
	}
	_, fraction, _ := strings.Cut(mantissa, ".")
	decimals = len(fraction)
	if exponent != "" {
		power, isInt := new(big.Int).SetString(exponent, 10)
		if !isInt {
			return nil, 0, false
		}
		decimals = max(0, decimals-int(power.Int64()))
	}
	return number, decimals, true
}

// CurrencyColumn is the column that looks like the currency's: currency, or else the
// first that is named after it; empty: none.
func CurrencyColumn(columns []string) string {
	if slices.Contains(columns, "currency") {
		return "currency"
	}
	for _, c := range columns {
		if strings.Contains(strings.ToLower(c), "currency") {
			return c
		}
	}
	return ""
}
