package templates

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/bojanz/currency"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// toMinor makes whole units of a currency's smallest coin of an amount, exactly: 500 JPY
// is 500, 12.30 EUR is 1230, 1.234 KWD is 1234. What departs from ISO 4217 is told as
// "MGA=0", as often as there is need.
func toMinor(amount, code any, exceptions ...any) (string, error) {
	text, err := toText(amount)
	if err != nil {
		return "", err
	}
	name, err := toText(code)
	if err != nil {
		return "", err
	}
	name = strings.ToUpper(strings.TrimSpace(name)) // Stripe has them in lower case, char(n) with spaces
	digits, err := digitsOf(name, exceptions)
	if err != nil {
		return "", err
	}
	return shifted(text, digits, name)
}

func digitsOf(code string, exceptions []any) (int, error) {
	digits, known := currency.GetDigits(code)
	all := int(digits)
	for _, e := range exceptions {
		text, _ := e.(string)
		name, n, err := parseException(text)
		if err != nil {
			return 0, err
		}
		if name == code {
			all, known = n, true
		}
	}
	if !known {
		return 0, fmt.Errorf("%q is no currency of ISO 4217; one is written as EUR", words.Printable(code))
	}
	return all, nil
}

// parseException reads what an API has otherwise than ISO 4217: MGA=0.
func parseException(text string) (code string, digits int, err error) {
	code, number, found := strings.Cut(text, "=")
	digits, numberErr := strconv.Atoi(number)
	if !found || numberErr != nil || digits < 0 || digits > 8 || len(code) != 3 || code != strings.ToUpper(code) {
		return "", 0, fmt.Errorf(`%q is no exception for minor; one is written "MGA=0": a currency and its number of decimals`, words.Printable(text))
	}
	return code, digits, nil
}

// shifted moves an amount's point to the right. It never rounds.
func shifted(text string, digits int, unit string) (string, error) {
	if !isDecimal(text) {
		return "", errors.New("the column is no amount; one is written as 12.30")
	}
	amount, _ := new(big.Rat).SetString(text)
	factor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	amount.Mul(amount, new(big.Rat).SetInt(factor))
	if !amount.IsInt() {
		return "", fmt.Errorf("the amount has %s; round it in the table or in a view", tooMany(digits, unit))
	}
	return amount.Num().String(), nil
}

func tooMany(digits int, unit string) string {
	if unit == "" {
		return "a fraction of a cent"
	}
	return fmt.Sprintf("more decimals than %s, which has %d", unit, digits)
}

// centsAreWrong says why cents is not what this currency is counted in; empty: it is, or
// the currency is not known.
func centsAreWrong(code string) string {
	code = strings.ToUpper(strings.TrimSpace(code))
	digits, known := currency.GetDigits(code)
	if !known || digits == 2 {
		return ""
	}
	return fmt.Sprintf("BILLING_BODY counts %s in cents, and %s has %d decimals: use minor with the amount's column and the currency's, {{minor .amount .currency}}", code, code, digits)
}

// currencyIn is what a row says in its currency's column, which is recognised where it
// is not named; empty: nothing.
func currencyIn(row map[string]any, column string) string {
	if column == "" {
		column = billing.CurrencyColumn(slices.Sorted(maps.Keys(row)))
	}
	code, _ := row[column].(string) // what is no text is no currency
	return code
}
