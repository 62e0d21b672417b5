package billinghttp

import (
	"strings"
	"testing"
)

func TestMeanings(t *testing.T) {
	c := newClient(t, "https://api.example", func(cfg *Config) {
		cfg.LookupURL = "https://api.example/{id}"
		cfg.Outcomes = "409 if body.code == 7 -> accepted\n200 if body.error != 1 -> accepted"
		cfg.LookUps = "404 if body.code == 7 -> absent"
	})
	var b strings.Builder
	if err := c.PrintMeanings(&b); err != nil {
		t.Fatal(err)
	}
	requests, lookUps, _ := strings.Cut(strings.Join(strings.Fields(b.String()), " "), "What a look-up's replies mean:")
	for _, want := range []string{
		"200 body.error != 1 accepted line 2 none of these unknown built in", "201-206 accepted built in 207 unknown built in 208-299 accepted built in",
		"409 body.code == 7 accepted line 1 none of these unknown built in", "429 throttled built in", "407 not_sent built in", "5xx",
	} {
		if !strings.Contains(requests, want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	for _, want := range []string{"200 acted built in 201-299 unknown", "404 body.code == 7 absent line 1 none of these unknown built in"} {
		if !strings.Contains(lookUps, want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if w := c.Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], "BILLING_OUTCOMES line 2 makes accepted of what is not there") {
		t.Errorf("%q", w)
	}
}
