package main

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const canary = "c4n4ry-s3cr3t"

// working is the least that `batch run` needs.
func working() map[string]string {
	return map[string]string{
		"DATABASE_URL": "postgres://bill:" + canary + "@db.example/books",
		"BILLING_URL":  "https://billing.example/v1/invoices/{id}/send",
	}
}

func load(values map[string]string, need needs) (config, error) {
	var environ []string
	for name, value := range values {
		environ = append(environ, name+"="+value)
	}
	return loadConfig(lookupIn(environ), need, namesIn(environ)...)
}

func with(changes map[string]string) map[string]string {
	values := working()
	maps.Copy(values, changes)
	return values
}

// faultsIn returns the lines between the error's heading and its hint.
func faultsIn(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*configError](err); !ok {
		t.Fatalf("got a %T, want a *configError: %v", err, err)
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the error shows a secret:\n%v", err)
	}
	lines := strings.Split(err.Error(), "\n")
	faults := lines[1 : len(lines)-1]
	for i := range faults {
		faults[i] = strings.TrimSpace(faults[i])
	}
	return faults
}

func TestLoadConfigDefaults(t *testing.T) {
	t.Parallel()
	c, err := load(working(), needDatabase|needBilling)
	if err != nil {
		t.Fatal(err)
	}
	url := working()["DATABASE_URL"]
	want := config{
		DatabaseURL: url, LockDatabaseURL: url,
		LockStrategy: "advisory", RunLock: "exclusive", RunName: "invoices",
		Linger: time.Minute, DrainTimeout: 35 * time.Second, ClaimSize: 500, Concurrency: 64,
		LedgerSchema: "billonce", InvoicesTable: "invoices", InvoicesID: "id",
		InvoicesPending: "pending", InvoicesMarkSent: "pending = false, sent_at = now()",
		BillingURL: working()["BILLING_URL"], BillingMethod: "POST", BillingBody: "row",
		BillingIdempotencyTTL: 24 * time.Hour, BillingTimeout: 30 * time.Second,
		BillingMaxAttempts: 5, BillingBreaker: 20, LogLevel: "info", LogFormat: "auto",
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if w := c.warnings(); len(w) > 0 {
		t.Errorf("the defaults warn: %q", w)
	}
}

func TestLoadConfigValues(t *testing.T) {
	t.Parallel()
	c, err := load(map[string]string{
		"DATABASE_URL": "embedded\n", "RUN_NAME": "nightly", "RUN_LOCK": "shared",
		"RUN_DEADLINE": "2h", "RUN_LIMIT": "7", "LINGER": "0s", "BILLING_RATE": "2.5",
		"BILLING_URL":        "http://localhost:8080/bill?invoice={id}",
		"BILLING_HEADERS":    `X-Team: billing, Accept: text/html\, text/plain,x-team:two`,
		"BILLING_SUCCESS":    `"ok":\s*true`,
		"BILLING_LOOKUP_URL": "http://localhost:8080/bill/{id}",
		"BILLING_BODY":       `{"amount": {{json .amount_cents}}}`, "BILLING_IDEMPOTENT": "true",
		"METRICS_ADDR": ":9090", "PUSHGATEWAY_URL": "http://push:9091", "BILLING_TOKEN": "",
		"INVOICES_PENDING": "state = '=\xff\"\\'",
	}, needDatabase|needBilling)
	if err != nil {
		t.Fatal(err)
	}
	wantHeaders := headers{"X-Team": {"billing", "two"}, "Accept": {"text/html, text/plain"}}
	if diff := cmp.Diff(wantHeaders, c.BillingHeaders); diff != "" {
		t.Errorf("BILLING_HEADERS (-want +got):\n%s", diff)
	}
	if got := http.Header(c.BillingHeaders).Get("accept"); got == "" {
		t.Error("header names are not canonical")
	}
	if !c.BillingSuccess.MatchString(`{"ok": true}`) {
		t.Error("BILLING_SUCCESS does not match what it should")
	}
	if c.DatabaseURL != embedded || c.LockDatabaseURL != embedded || c.RunName != "nightly" ||
		c.RunDeadline != 2*time.Hour || c.RunLimit != 7 || c.Linger != 0 || c.BillingRate != 2.5 ||
		!c.BillingIdempotent || c.InvoicesPending != "state = '=\xff\"\\'" {
		t.Errorf("got %+v", c)
	}
}

func TestLoadConfigNeeds(t *testing.T) {
	t.Parallel()
	const noDatabase = "DATABASE_URL: is required; set it or DATABASE_URL_FILE"
	for name, test := range map[string]struct {
		need   needs
		values map[string]string
		want   []string
	}{
		"run":       {needDatabase | needBilling, nil, []string{noDatabase, "BILLING_URL: is required"}},
		"migrate":   {needDatabase, nil, []string{noDatabase}},
		"fake-api":  {needNothing, nil, nil},
		"empty":     {needDatabase, map[string]string{"DATABASE_URL": ""}, []string{"DATABASE_URL: is required, and is set to nothing; set it or DATABASE_URL_FILE"}},
		"only what": {needDatabase, map[string]string{"DATABASE_URL": "embedded"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(test.values, test.need)
			if diff := cmp.Diff(test.want, faultsIn(t, err)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadConfigListsAllFaultsInOrder(t *testing.T) {
	t.Parallel()
	_, err := load(map[string]string{
		"DATABASE_URL": "host", "RUN_LOCK": "none", "CLAIM_SIZE": "0", "CONCURRENCY": "many",
		"BILLING_HEADERS": canary, "BILLING_TIMEOUT": "abc", "LOG_LEVEL": "loud", "BILLING_RAET": "1",
	}, needDatabase|needBilling)
	want := `read the environment:
  DATABASE_URL: is not a PostgreSQL connection string; write for example postgres://user@host:5432/database, or embedded to try things out
  RUN_LOCK: "none" is not one of exclusive, shared, off
  CLAIM_SIZE: "0" is below 1
  CONCURRENCY: "many" is not a whole number
  BILLING_URL: is required
  BILLING_HEADERS: entry 1 is not "Name: value"; write a comma within a value as \,
  BILLING_TIMEOUT: "abc" is not a duration; write for example 30s
  BILLING_RAET: is not known; did you mean BILLING_RATE?
  LOG_LEVEL: "loud" is not one of trace, debug, info, warn, error
` + "`batch help environment` explains every variable"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestLoadConfigMisspelt(t *testing.T) {
	t.Parallel()
	for name, suggestion := range map[string]string{
		"BILLING_TIMOUT":          "BILLING_TIMEOUT",
		"BILLING_TIEMOUT":         "BILLING_TIMEOUT",
		"BILLING_IDEMPOTANT":      "BILLING_IDEMPOTENT",
		"BILLING_TOKENFILE":       "BILLING_TOKEN_FILE",
		"INVOICES_MARKSENT":       "INVOICES_MARK_SENT",
		"LOCK_STATEGY":            "LOCK_STRATEGY",
		"DATABASE_URI":            "", // DATABASE_URL is set, so this is somebody else's
		"INVOICES_DB":             "",
		"RUN_LOG":                 "",
		"LOGLEVEL":                "",
		"BILLING_PORT":            "",
		"BILLING_SERVICE_HOST":    "",
		"BILLING_SERVICE_PORT":    "",
		"BILLING_PORT_80_TCP":     "",
		"BILLING_PORT_80_TCP_URL": "",
		"RUN_PORT":                "",
		"RUN_LOCK_PORT":           "",
		"METRICS_PORT":            "",
		"LOG_PORT":                "",
		"INVOICES_PORT":           "",
		"DATABASE_PORT":           "",
		"LOCK_PORT":               "",
		"PUSHGATEWAY_PORT":        "",
		"OTEL_SERVICE_NAME":       "",
		"OTEL_TRACES_SAMPLER":     "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(with(map[string]string{name: "1"}), needDatabase|needBilling)
			var want []string
			if suggestion != "" {
				want = []string{name + ": is not known; did you mean " + suggestion + "?"}
			}
			if diff := cmp.Diff(want, faultsIn(t, err)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadConfigSecretFiles(t *testing.T) {
	t.Parallel()
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, v := range variables() {
		if !v.secret {
			continue
		}
		value := "postgres://u:" + canary + "@h/d"
		if strings.HasPrefix(v.name, "BILLING_") {
			value = "X-Key:" + canary
		}
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			direct, err := load(with(map[string]string{v.name: value}), 0)
			if err != nil {
				t.Fatal(err)
			}
			// A template such as Compose's sets the unused one of the two to nothing.
			fromFile, err := load(with(map[string]string{v.name: "", v.fileTwin(): write(value + "\r\n")}), 0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.valueIn(&direct).Interface(), v.valueIn(&fromFile).Interface()); diff != "" {
				t.Errorf("(-direct +from the file):\n%s", diff)
			}

			missing := filepath.Join(t.TempDir(), canary)
			for want, twin := range map[string]string{
				"open the file: no such file or directory": missing,
				"read the file: is a directory":            filepath.Dir(missing),
				"the file is empty":                        write("\n"),
				"the file has more than 65536 bytes":       write(strings.Repeat("x", 65537)),
			} {
				_, err := load(with(map[string]string{v.name: "", v.fileTwin(): twin}), needDatabase)
				if diff := cmp.Diff([]string{v.fileTwin() + ": " + want}, faultsIn(t, err)); diff != "" {
					t.Errorf("faults (-want +got):\n%s", diff)
				}
			}
			_, err = load(with(map[string]string{v.name: value, v.fileTwin(): write(value)}), needDatabase)
			want := v.fileTwin() + ": is set beside " + v.name + "; unset one of them"
			if diff := cmp.Diff([]string{want}, faultsIn(t, err)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}
