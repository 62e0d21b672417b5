package config

import (
	"strings"
	"testing"
)

// TestLoadConfigMalformed sets one variable wrong and expects one fault, which
// names the variable, says this much, and shows no secret.
func TestLoadConfigMalformed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, value, want string }{
		{"LOCK_DATABASE_URL", "embedded", "names another server"},
		{"LOCK_STRATEGY", "rows", `"rows" is not one of advisory, row`},
		{"LOCK_STRATEGY", "", "is set to nothing; unset it for its default, advisory"},
		{"RUN_LOCK", "Exclusive", "is not one of"},
		{"RUN_LOCK_WAIT", "-1s", `"-1s" is below 0s`},
		{"RUN_DEADLINE", "0s", `"0s" is below 1ms`},
		{"RUN_LIMIT", "0", `"0" is below 1`},
		{"RUN_CANARY", "-1", `"-1" is below 0`},
		{"RUN_CANARY", "two", `"two" is not a whole number`},
		{"RUN_MAX_PENDING", "3y", `"3y" is not understood; write 5000 for a number of invoices, or 3x for three times what is usual`},
		{"RUN_MAX_PENDING", "0x", `"0x" is not understood`},
		{"BILLING_RATE", "60/w", `"60/w" is not a rate`},
		{"LINGER", "60", `"60" is not a duration; write for example 30s`},
		{"DRAIN_TIMEOUT", "10000h", `"10000h" is above 8760h`},
		{"CLAIM_SIZE", "10001", `"10001" is above 10000`},
		{"CLAIM_SIZE", "0100", "would be octal"},
		{"CONCURRENCY", "1.5", `"1.5" is not a whole number`},
		{"CONCURRENCY", "99999999999999999999", "is not a whole number"},
		{"INVOICES_TABLE", "", "is set to nothing"},
		{"INVOICES_ID", "", "is set to nothing"},
		{"BILLING_IDEMPOTENT", "yes", `"yes" is neither true nor false`},
		{"BILLING_IDEMPOTENCY_TTL", "1d", "is not a duration"},
		{"BILLING_SUCCESS", canary, "is not read any more; a rule says it now"},
		{"BILLING_TIMEOUT", "0", `"0" is below 1ms`},
		{"BILLING_MAX_ATTEMPTS", "0", `"0" is below 1`},
		{"BILLING_RATE", "fast", `"fast" is not a rate`},
		{"BILLING_RATE", "NaN", `"NaN" is not a rate`},
		{"BILLING_RATE", "-Inf", `"-Inf" is not a rate`},
		{"BILLING_RATE", "-1", `"-1" is below 0`},
		{"BILLING_BREAKER", "0", `"0" is below 1`},
		{"METRICS_ADDR", "9090", "is not an address"},
		{"METRICS_ADDR", ":http", "is not an address"},
		{"PUSHGATEWAY_URL", "push:9091", "is not an absolute http or https URL"},
		{"LOG_LEVEL", "loud", `"loud" is not one of`},
		{"LOG_FORMAT", "text", "is not one of"},
	} {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			t.Parallel()
			_, err := load(with(map[string]string{test.name: test.value}), Database|Billing)
			faults := faultsIn(t, err)
			if len(faults) != 1 || !strings.HasPrefix(faults[0], test.name+": ") || !strings.Contains(faults[0], test.want) {
				t.Errorf("got %q, want one fault of %s with %q", faults, test.name, test.want)
			}
		})
	}
}

func TestConfigWarnings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values map[string]string
		want   string
	}{
		{map[string]string{"DRAIN_TIMEOUT": "10s"}, "DRAIN_TIMEOUT (10s) is below BILLING_TIMEOUT (30s)"},
		{map[string]string{"BILLING_IDEMPOTENT": "true", "BILLING_IDEMPOTENCY_TTL": "30s"}, "BILLING_IDEMPOTENCY_TTL (30s)"},
		{map[string]string{"BILLING_URL": "https://h/send", "BILLING_BODY": "none"}, "no request says which invoice"},
	} {
		c, err := load(with(test.values), Database|Billing)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Warnings(); len(got) != 1 || !strings.Contains(got[0], test.want) {
			t.Errorf("got %q, want one with %q", got, test.want)
		}
	}
}

func TestConfigRedacted(t *testing.T) {
	t.Parallel()
	c, err := load(with(map[string]string{
		"BILLING_URL":     "https://u:" + canary + "@h.example/" + canary + "/{id}?key=" + canary,
		"BILLING_TOKEN":   canary,
		"BILLING_HEADERS": "X-Key: " + canary,
		"BILLING_BODY":    `{"key": "` + canary + `"}`,
		"LINGER":          "0s",
	}), 0)
	if err != nil {
		t.Fatal(err)
	}
	shown := c.Redacted()
	for name, text := range shown {
		if strings.Contains(text, canary) {
			t.Errorf("%s shows a secret: %s", name, text)
		}
	}
	for name, want := range map[string]string{
		"DATABASE_URL": "***", "LOCK_DATABASE_URL": "***", "BILLING_TOKEN": "***", "BILLING_HEADERS": "***",
		"BILLING_URL": "https://h.example/…", "BILLING_BODY": "(template)", "BILLING_OUTCOMES": "",
		"PUSHGATEWAY_URL": "", "LINGER": "0s", "BILLING_IDEMPOTENT": "false", "RUN_LIMIT": "", "CLAIM_SIZE": "500",
	} {
		if shown[name] != want {
			t.Errorf("%s is shown as %q, want %q", name, shown[name], want)
		}
	}
	if len(shown) != len(variables()) {
		t.Errorf("%d of %d variables are shown", len(shown), len(variables()))
	}
}

// FuzzLoadConfig puts anything into one variable, and anything around a secret
// into another that may hold one: nothing panics, no secret is shown.
func FuzzLoadConfig(f *testing.F) {
	all := variables()
	var hidden []variable
	for _, v := range all {
		if v.secret || v.form == "url" || v.form == "template" || v.name == "BILLING_BODY" || v.name == "BILLING_OUTCOMES" || v.name == "BILLING_LOOKUP_OUTCOMES" {
			hidden = append(hidden, v)
		}
	}
	f.Add(uint8(0), "", uint8(0), "postgres://u:", "@h:port/d")
	f.Add(uint8(7), "0x10", uint8(1), "host=h password='", "")
	f.Add(uint8(8), "1h", uint8(2), "https://u:", "/{id}")
	f.Add(uint8(28), "1e9", uint8(4), "X-Key: ", ", Y:\x00")
	f.Add(uint8(11), "010", uint8(5), "{{", "}}")
	f.Add(uint8(12), "\"`\\\xff", uint8(6), "(?P<", ">[")
	f.Fuzz(func(t *testing.T, i uint8, value string, j uint8, before, after string) {
		if strings.Contains(value, canary) {
			t.Skip()
		}
		values := working()
		values[all[int(i)%len(all)].name] = value
		secret := hidden[int(j)%len(hidden)]
		values[secret.name] = before + canary + after
		c, err := load(values, Database|Billing)
		if err != nil {
			faultsIn(t, err)
			return
		}
		if secret.secret && strings.Contains(c.Redacted()[secret.name], canary) {
			t.Errorf("%s is not masked", secret.name)
		}
	})
}
