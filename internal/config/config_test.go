package config

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billonce/billonce/internal/fault"
)

const canary = "c4n4ry-s3cr3t"

// working is the least that `batch run` needs.
func working() map[string]string {
	return map[string]string{
		"DATABASE_URL": "postgres://bill:" + canary + "@db.example/books",
		"BILLING_URL":  "https://billing.example/v1/invoices/{id}/send",
	}
}

func load(values map[string]string, need Needs) (Config, error) {
	var environ []string
	for name, value := range values {
		environ = append(environ, name+"="+value)
	}
	c, faults := Load(environ, need)
	return c, Join(faults)
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
	if _, ok := errors.AsType[*fault.Error](err); !ok {
		t.Fatalf("got a %T, want a *fault.Error: %v", err, err)
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
	c, err := load(working(), Database|Billing)
	if err != nil {
		t.Fatal(err)
	}
	url := working()["DATABASE_URL"]
	want := Config{
		DatabaseURL: url, LockDatabaseURL: url, FailoverLosesCommits: true,
		LockStrategy: "advisory", RunLock: "exclusive",
		Linger: 90 * time.Second, DrainTimeout: 35 * time.Second, ClaimSize: 500, Concurrency: 64,
		LedgerSchema: "billonce", InvoicesTable: "invoices", InvoicesID: "id",
		InvoicesPending: "pending", InvoicesMarkSent: "pending = false, sent_at = now()",
		BillingURL: working()["BILLING_URL"], BillingMethod: "POST", BillingBody: "row",
		BillingIdempotencyTTL: 24 * time.Hour, BillingTimeout: 30 * time.Second, BillingLookupAfter: 30 * time.Second, BillingSubmittedFor: 72 * time.Hour,
		BillingMaxAttempts: 5, BillingBreaker: 20, ServeAddr: "127.0.0.1:8321", LogLevel: "info", LogFormat: "auto",
	}
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(Config{})); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("the defaults warn: %q", w)
	}
}

func TestLoadConfigValues(t *testing.T) {
	t.Parallel()
	c, err := load(map[string]string{
		"DATABASE_URL": "embedded\n", "RUN_NAME": "nightly", "RUN_LOCK": "shared",
		"RUN_DEADLINE": "2h", "RUN_LIMIT": "7", "LINGER": "0s", "BILLING_RATE": "150/m", "RUN_CANARY": "0", "RUN_MAX_PENDING": "3x",
		"BILLING_URL":        "http://localhost:8080/bill?invoice={id}",
		"BILLING_HEADERS":    "X-Team: billing\nAccept: text/html\n",
		"BILLING_OUTCOMES":   "409 -> accepted\n2xx if body.ok -> accepted\n",
		"BILLING_LOOKUP_URL": "http://localhost:8080/bill/{id}",
		"BILLING_BODY":       `{"amount": {{json .amount_cents}}}`, "BILLING_IDEMPOTENT": "true",
		"METRICS_ADDR": ":9090", "PUSHGATEWAY_URL": "http://push:9091", "BILLING_TOKEN": "",
		"INVOICES_PENDING": "state = '=\xff\"\\'",
	}, Database|Billing)
	if err != nil {
		t.Fatal(err)
	}
	if c.BillingOutcomes != "409 -> accepted\n2xx if body.ok -> accepted\n" {
		t.Errorf("BILLING_OUTCOMES is %q", c.BillingOutcomes)
	}
	if c.DatabaseURL != Embedded || c.LockDatabaseURL != Embedded || c.RunName != "nightly" ||
		c.RunDeadline != 2*time.Hour || c.RunLimit != 7 || c.Linger != 0 || c.BillingRate.PerSecond != 2.5 || c.RunMaxPending.Times != 3 ||
		!c.BillingIdempotent || c.BillingHeaders != "X-Team: billing\nAccept: text/html" || c.InvoicesPending != "state = '=\xff\"\\'" {
		t.Errorf("got %+v", c)
	}
}

func TestLoadConfigNeeds(t *testing.T) {
	t.Parallel()
	const noDatabase = "DATABASE_URL: is required; set it or DATABASE_URL_FILE"
	for name, test := range map[string]struct {
		need   Needs
		values map[string]string
		want   []string
	}{
		"run":       {Database | Billing, nil, []string{noDatabase, "BILLING_URL: is required"}},
		"migrate":   {Database, nil, []string{noDatabase}},
		"fake-api":  {Nothing, nil, nil},
		"empty":     {Database, map[string]string{"DATABASE_URL": ""}, []string{"DATABASE_URL: is required, and is set to nothing; set it or DATABASE_URL_FILE"}},
		"only what": {Database, map[string]string{"DATABASE_URL": "embedded"}, nil},
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
		"DATABASE_URL": "embedded", "LOCK_DATABASE_URL": "host", "RUN_LOCK": "none", "CLAIM_SIZE": "0", "CONCURRENCY": "many",
		"BILLING_SUCCESS": canary, "BILLING_TIMEOUT": "abc", "LOG_LEVEL": "loud", "BILLING_RAET": "1",
	}, Database|Billing)
	want := `read the environment:
  LOCK_DATABASE_URL: names another server than DATABASE_URL, one of which is embedded; unset it
  RUN_LOCK: "none" is not one of exclusive, shared, off
  CLAIM_SIZE: "0" is below 1
  CONCURRENCY: "many" is not a whole number
  BILLING_URL: is required
  BILLING_TIMEOUT: "abc" is not a duration; write for example 30s
  BILLING_RAET: is not known; did you mean BILLING_RATE?
  LOG_LEVEL: "loud" is not one of trace, debug, info, warn, error
  BILLING_SUCCESS: is not read any more; a rule says it now, with the same regular expression: BILLING_OUTCOMES='2xx if text.matches("…") -> accepted'
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
		"CONCURENCY":              "CONCURRENCY",
		"INVOICE_TABLE":           "INVOICES_TABLE",
		"INVOICE_ID":              "INVOICES_ID",
		"BILING_TOKEN":            "BILLING_TOKEN",
		"BILLING_URI":             "BILLING_URL", // which of the two was meant?
		"RUNLOCK":                 "RUN_LOCK",
		"LEDGER_SHEMA":            "LEDGER_SCHEMA",
		"CLAIMSIZE":               "CLAIM_SIZE",
		"LINGERS":                 "LINGER",
		"DRAIN_TIME_OUT":          "DRAIN_TIMEOUT",
		"RUNNER_NAME":             "",
		"RUNNER_LOCK":             "",
		"LOCKFILE":                "",
		"LOCK_FILE":               "",
		"KUBERNETES_SERVICE_HOST": "",
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
			_, err := load(with(map[string]string{name: "1"}), Database|Billing)
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
		if v.form == "url" {
			value = "https://u:" + canary + "@h/d"
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
				_, err := load(with(map[string]string{v.name: "", v.fileTwin(): twin}), Database)
				if diff := cmp.Diff([]string{v.fileTwin() + ": " + want}, faultsIn(t, err)); diff != "" {
					t.Errorf("faults (-want +got):\n%s", diff)
				}
			}
			_, err = load(with(map[string]string{v.name: value, v.fileTwin(): write(value)}), Database)
			want := v.fileTwin() + ": is set beside " + v.name + "; unset one of them"
			if diff := cmp.Diff([]string{want}, faultsIn(t, err)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// What can't change money is only warned of, unless it is another program's.
func TestLoadConfigWarnsOfNames(t *testing.T) {
	t.Parallel()
	c, err := load(with(map[string]string{
		"LOGLEVEL": "debug", "METRIC_ADDR": ":9090", "POD_NAMES": "a", "DATABASE_URI": "x", "NODENAME": "n", "PUSHGATEWAY_PORT": "tcp://1",
		"LOG_FORMATS": "json", "LOG_FORMAT": "json", "METRICS_ADDR_FILE": "/x",
	}), Database|Billing)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"LOGLEVEL is not known; did you mean LOG_LEVEL?", "METRICS_ADDR_FILE is not read: only a secret may come from a file; set METRICS_ADDR itself",
		"METRIC_ADDR is not known; did you mean METRICS_ADDR?", "POD_NAMES is not known; did you mean POD_NAME?",
	}
	if diff := cmp.Diff(want, c.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// A file that nobody would read is a fault: what stands in it was to be said.
func TestLoadConfigFileOfNoSecret(t *testing.T) {
	t.Parallel()
	_, err := load(with(map[string]string{"BILLING_BODY_FILE": "/body"}), Database|Billing)
	want := []string{"BILLING_BODY_FILE: is not read: only a secret may come from a file; set BILLING_BODY itself"}
	if diff := cmp.Diff(want, faultsIn(t, err)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

// A name that was ours says what stands for it now.
func TestRetiredNames(t *testing.T) {
	t.Parallel()
	old := map[string]string{"BILLING_SUCCES": "write a rule in BILLING_OUTCOMES"}
	faults, warnings := checkNames([]string{"BILLING_SUCCES=x"}, old)
	want := []fault.Fault{fault.New("BILLING_SUCCES", "is not read any more; write a rule in BILLING_OUTCOMES")}
	if diff := cmp.Diff(want, faults); diff != "" || len(warnings) > 0 {
		t.Errorf("faults (-want +got):\n%s%v", diff, warnings)
	}
	for name := range retired() {
		for _, v := range variables() {
			if name == v.name || name == v.fileTwin() {
				t.Errorf("%s is retired, and read", name)
			}
		}
	}
}

func TestLogLevelInAnyCase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"WARNING": "warn", "warning": "warn", "Warn": "warn", "INFO": "info", "debug": "debug"} {
		c, err := load(with(map[string]string{"LOG_LEVEL": text, "LOG_FORMAT": "JSON"}), Nothing)
		if err != nil || c.LogLevel != want || c.LogFormat != "json" {
			t.Errorf("%s: %s, %s, %v; want %s", text, c.LogLevel, c.LogFormat, err, want)
		}
	}
}
