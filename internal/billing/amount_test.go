package billing_test

import (
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

func TestNewAmount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ column, value, code, want string }{
		{"amount", "12.30", "EUR", "12.30 EUR"},
		{"amount", "12.3", "eur ", "12.3 EUR"},
		{"amount", "-0.07", "", "-0.07 "},
		{"amount", "500", "JPY", "500 JPY"},
		{"amount_cents", "1230", "EUR", "12.30 EUR"},
		{"amount_cents", "1230", "", "12.30 "},
		{"amount_cents", "500", "JPY", "500 JPY"},
		{"total_minor", "1234", "KWD", "1.234 KWD"},
		{"TOTAL_MINOR", "5", "points", "0.05 POINTS"},
		{"amount_minor", "-1050.5", "USD", "-10.505 USD"},
		{"amount", "1e+15", "EUR", "1000000000000000 EUR"},
		{"amount", "1.25e-05", "EUR", "0.0000125 EUR"},
		{"amount_cents", "9007199254740993", "EUR", "90071992547409.93 EUR"},
		{"amount", "NaN", "EUR", " EUR"},
		{"amount", "Infinity", "EUR", " EUR"},
		{"amount", "", "EUR", " EUR"},
		{"amount", "12,30", "EUR", " EUR"},
		{"amount", "1e999999999", "EUR", " EUR"},
		{"amount", "1/2", "EUR", " EUR"},
		{"amount", "0x10", "EUR", " EUR"},
		{"amount", "true", "EUR", " EUR"},
	} {
		if got := billing.NewAmount(c.column, c.value, c.code); got.Value+" "+got.Currency != c.want {
			t.Errorf("%s %q %q: %+v, want %q", c.column, c.value, c.code, got, c.want)
		}
	}
}

func TestCurrencyColumn(t *testing.T) {
	t.Parallel()
	for want, columns := range map[string][]string{
		"currency":     {"id", "base_currency", "currency"},
		"CurrencyCode": {"id", "CurrencyCode", "other_currency"},
		"":             {"id", "amount"},
	} {
		if got := billing.CurrencyColumn(columns); got != want {
			t.Errorf("%q: %q, want %q", columns, got, want)
		}
	}
}
