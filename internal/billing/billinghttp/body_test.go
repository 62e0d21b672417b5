package billinghttp

import (
	"strings"
	"testing"
)

// Of an amount that is counted in cents though its currency has none, the row's currency
// tells; a template that knows such currencies is not warned of.
func TestCentsAreWarnedOf(t *testing.T) {
	const knows = `{{if eq .currency "JPY"}}{{.amount}}{{else}}{{cents .amount}}{{end}}`
	for _, c := range []struct {
		template, row, odd, fault string
	}{
		{"{{cents .amount}}", `{"amount":500,"currency":"JPY"}`, "counts JPY in cents, and JPY has 0 decimals: use minor", ""},
		{"{{cents .amount}}", `{"amount":500,"currency":"jpy "}`, "counts JPY in cents", ""},
		{"{{cents .amount}}", `{"amount":5.25,"Currency Code":"KWD"}`, "counts KWD in cents", ""},
		{"{{cents .amount}}", `{"amount":5.255,"currency":"KWD"}`, "", "has a fraction of a cent; round it in the table or in a view; BILLING_BODY counts KWD in cents"},
		{"{{cents .amount}}", `{"amount":500,"currency":"EUR","base_currency":"JPY"}`, "", ""},
		{"{{cents .amount}}", `{"amount":500,"currency":null}`, "", ""},
		{"{{cents .amount}}", `{"amount":500}`, "", ""},
		{"{{minor .amount .currency}}", `{"amount":500,"currency":"JPY"}`, "", ""},
		{knows, `{"amount":500,"currency":"JPY"}`, "", ""},
		{knows, `{"amount":5,"currency":"KWD"}`, "counts KWD in cents", ""},
	} {
		m, err := render(t, Config{URL: "https://api.example/", Body: c.template}, c.row)
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s of %s: %v, want %s", c.template, c.row, err, c.fault)
			}
			continue
		}
		if err != nil || (m.Warning == "") != (c.odd == "") || !strings.Contains(m.Warning, c.odd) {
			t.Errorf("%s of %s: %q, %v, want %q", c.template, c.row, m.Warning, err, c.odd)
		}
	}
}
