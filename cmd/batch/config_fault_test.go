package main

import (
	"strings"
	"testing"
)

// TestLoadConfigMalformed sets one variable wrong and expects one fault, which
// names the variable, says this much, and shows no secret.
func TestLoadConfigMalformed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, value, want string }{
		{"DATABASE_URL", "postgres://u:" + canary + "@h:port/d", "is not a PostgreSQL connection string"},
		{"DATABASE_URL", "postgres://u:p:" + canary + "%zz@h/d", "is not a PostgreSQL connection string"},
		{"DATABASE_URL", "host=h password='" + canary, "is not a PostgreSQL connection string"},
		{"DATABASE_URL", "postgres://u@h/d?sslrootcert=/nowhere/" + canary, "names a file"},
		{"LOCK_DATABASE_URL", "mysql:" + canary, "is not a PostgreSQL connection string"},
		{"LOCK_DATABASE_URL", "embedded", "names another server"},
		{"LOCK_STRATEGY", "rows", `"rows" is not one of advisory, row`},
		{"LOCK_STRATEGY", "", "is set to nothing; unset it for its default, advisory"},
		{"RUN_LOCK", "Exclusive", "is not one of"},
		{"RUN_LOCK_WAIT", "-1s", `"-1s" is below 0s`},
		{"RUN_DEADLINE", "0s", `"0s" is below 1ms`},
		{"RUN_LIMIT", "0", `"0" is below 1`},
		{"RUN_CANARY", "0", `"0" is below 1`},
		{"LINGER", "60", `"60" is not a duration; write for example 30s`},
		{"DRAIN_TIMEOUT", "10000h", `"10000h" is above 8760h`},
		{"CLAIM_SIZE", "10001", `"10001" is above 10000`},
		{"CLAIM_SIZE", "0100", "would be octal"},
		{"CONCURRENCY", "1.5", `"1.5" is not a whole number`},
		{"CONCURRENCY", "99999999999999999999", "is not a whole number"},
		{"LEDGER_SCHEMA", strings.Repeat("s", 64), "63 bytes"},
		{"LEDGER_SCHEMA", " ", "is blank"},
		{"INVOICES_TABLE", "", "is set to nothing"},
		{"INVOICES_ID", "", "is set to nothing"},
		{"INVOICES_PENDING", " ", "is blank"},
		{"INVOICES_MARK_SENT", "\t", "is blank"},
		{"BILLING_URL", "billing.example/" + canary, "is not an absolute http or https URL"},
		{"BILLING_URL", "ftp://h/{id}", "is not an absolute http or https URL"},
		{"BILLING_URL", "https://u:" + canary + "/{id}", "is not an absolute http or https URL"},
		{"BILLING_URL", "https://:80/{id}", "is not an absolute http or https URL"},
		{"BILLING_URL", "https://{id}.example/", "is not an absolute http or https URL"},
		{"BILLING_URL", "https://h/{id", "has a brace"},
		{"BILLING_URL", "https://h/{}", "has a brace"},
		{"BILLING_URL", "https://h/#/{id}", "has a fragment"},
		{"BILLING_METHOD", "post", "is not in capitals"},
		{"BILLING_METHOD", "PO ST", "is not an HTTP method"},
		{"BILLING_TOKEN", canary + "\nX-Other: 1", "has white space or a control character"},
		{"BILLING_HEADERS", "Authorization " + canary, "entry 1 is not"},
		{"BILLING_HEADERS", "X-A: 1,X B: " + canary, "entry 2 is not"},
		{"BILLING_HEADERS", "X-A: " + canary + "\x00", "entry 1 has a control character"},
		{"BILLING_HEADERS", "idempotency-key: 1", "sets Idempotency-Key"},
		{"BILLING_HEADERS", "Host: h", "belongs to the HTTP client"},
		{"BILLING_BODY", "rows", "is neither row nor none nor a template"},
		{"BILLING_BODY", `{"key": "` + canary + `", "id": {{.id}`, "is not a Go text/template"},
		{"BILLING_IDEMPOTENT", "yes", `"yes" is neither true nor false`},
		{"BILLING_IDEMPOTENCY_TTL", "1d", "is not a duration"},
		{"BILLING_SUCCESS", "(" + canary, "is not a regular expression: missing closing )"},
		{"BILLING_LOOKUP_URL", "/v1/{id}", "is not an absolute http or https URL"},
		{"BILLING_LOOKUP_URL", "https://h/v1/invoices", "has no {column}"},
		{"BILLING_TIMEOUT", "0", `"0" is below 1ms`},
		{"BILLING_MAX_ATTEMPTS", "0", `"0" is below 1`},
		{"BILLING_RATE", "fast", `"fast" is not a number`},
		{"BILLING_RATE", "NaN", "is not a number of requests a second"},
		{"BILLING_RATE", "-1", "is not a number of requests a second"},
		{"BILLING_BREAKER", "0", `"0" is below 1`},
		{"METRICS_ADDR", "9090", "is not an address"},
		{"METRICS_ADDR", ":http", "is not an address"},
		{"PUSHGATEWAY_URL", "push:9091", "is not an absolute http or https URL"},
		{"LOG_LEVEL", "warning", "is not one of"},
		{"LOG_FORMAT", "text", "is not one of"},
	} {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			t.Parallel()
			_, err := load(with(map[string]string{test.name: test.value}), needDatabase|needBilling)
			faults := faultsIn(t, err)
			if len(faults) != 1 || !strings.HasPrefix(faults[0], test.name+": ") || !strings.Contains(faults[0], test.want) {
				t.Errorf("got %q, want one fault of %s with %q", faults, test.name, test.want)
			}
		})
	}
}

func TestLoadConfigRefusesTwoAuthorizations(t *testing.T) {
	t.Parallel()
	_, err := load(with(map[string]string{
		"BILLING_TOKEN": canary, "BILLING_HEADERS": "authorization: Basic " + canary,
	}), 0)
	if got := faultsIn(t, err); len(got) != 1 || !strings.Contains(got[0], "Authorization beside BILLING_TOKEN") {
		t.Errorf("got %q", got)
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
		c, err := load(with(test.values), needDatabase|needBilling)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.warnings(); len(got) != 1 || !strings.Contains(got[0], test.want) {
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
	shown := c.redacted()
	for name, text := range shown {
		if strings.Contains(text, canary) {
			t.Errorf("%s shows a secret: %s", name, text)
		}
	}
	for name, want := range map[string]string{
		"DATABASE_URL": "***", "LOCK_DATABASE_URL": "***", "BILLING_TOKEN": "***", "BILLING_HEADERS": "***",
		"BILLING_URL": "https://h.example/…", "BILLING_BODY": "(template)", "BILLING_SUCCESS": "",
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
		if v.secret || v.url || v.name == "BILLING_BODY" || v.name == "BILLING_SUCCESS" {
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
		c, err := load(values, needDatabase|needBilling)
		if err != nil {
			faultsIn(t, err)
			return
		}
		if secret.secret && strings.Contains(c.redacted()[secret.name], canary) {
			t.Errorf("%s is not masked", secret.name)
		}
	})
}
