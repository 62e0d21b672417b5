package main

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/config"
)

const frontDoorSecret = "c4n4ry-s3cr3t"

// judge reads an environment as a command does, beside what every run needs.
func judge(need config.Needs, changes map[string]string) (settings, error) {
	values := map[string]string{
		"DATABASE_URL": "postgres://bill:" + frontDoorSecret + "@db.example/books",
		"BILLING_URL":  "https://billing.example/v1/invoices/{id}/send",
	}
	maps.Copy(values, changes)
	var environ []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		environ = append(environ, name+"="+values[name])
	}
	return app{environ: environ, env: config.LookupIn(environ)}.settings(need)
}

// faultsIn are the lines between the message's heading and its hint.
func faultsIn(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	if code := exitCodeOf(err); code != billing.ExitUsage {
		t.Errorf("exit code %d, want %d", code, billing.ExitUsage)
	}
	if strings.Contains(err.Error(), frontDoorSecret) {
		t.Errorf("the error shows a secret:\n%v", err)
	}
	lines := strings.Split(err.Error(), "\n")
	faults := lines[1 : len(lines)-1]
	for i := range faults {
		faults[i] = strings.TrimSpace(faults[i])
	}
	return faults
}

// Whoever knows a rule, what is wrong is said in one round, before anything is
// touched: there is no such database, and nobody asks for it.
func TestAllFaultsAreOneMessage(t *testing.T) {
	t.Parallel()
	environ := []string{
		"DATABASE_URL=postgres://nobody@127.0.0.1:1/nothing", "LOCK_DATABASE_URL=mysql:x", "RUN_LIMIT=0", "INVOICES_TABLE=a.b.c",
		"INVOICES_MARK_SENT=pending = {reply.}", "BILLING_URL=https://billing.example/{id", "BILLING_METHOD=GET",
		"BILLING_SIGNING_SECRET=" + frontDoorSecret, "BILLING_TIMOUT=1s", "CONCURENCY=1", "METRICS_ADDR=9090", "BILLING_REPLY_ID=/id",
	}
	want := `batch: read the environment:
  LOCK_DATABASE_URL: is not a PostgreSQL connection string; write for example postgres://user@host:5432/database, or embedded to try things out
  RUN_LIMIT: "0" is below 1
  CONCURENCY: is not known; did you mean CONCURRENCY?
  INVOICES_TABLE: "a.b.c" has 3 parts, at most 2 are allowed
  INVOICES_MARK_SENT: has a {reply. that is no placeholder; write {reply.id}, or {reply.data.id} for what lies deeper
  BILLING_URL: has a { without its }; write a placeholder as {column}, and a brace as \{
  BILLING_METHOD: is GET, which proxies and caches may repeat or answer themselves; write POST, PUT, PATCH or DELETE
  BILLING_SIGNING_SECRET: is no secret of Standard Webhooks: whsec_ and the base64 of 24 to 64 bytes; make one with: echo "whsec_$(openssl rand -base64 32)"
  BILLING_REPLY_ID: is a JSON pointer, which it no longer is; write it as in {reply.…}, with dots: id
  BILLING_TIMOUT: is not known; did you mean BILLING_TIMEOUT?
  METRICS_ADDR: is not an address to listen at; write for example :9090
` + "`batch help environment` explains every variable\n"
	for _, args := range [][]string{{"run"}, {"doctor"}, {"status"}, {"migrate"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, environ, &stdout, &stderr); code != billing.ExitUsage || stdout.Len() > 0 {
			t.Errorf("%s: exit code %d, output %q", args, code, stdout.String())
		}
		if diff := cmp.Diff(want, stderr.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
}

// One variable that an edge finds wrong is one fault, which names the variable, says
// this much, and shows no secret.
func TestMalformedForAnEdge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, value, want string }{
		{"DATABASE_URL", "postgres://u:" + frontDoorSecret + "@h:port/d", "is not a PostgreSQL connection string"},
		{"DATABASE_URL", "postgres://u:p:" + frontDoorSecret + "%zz@h/d", "is not a PostgreSQL connection string"},
		{"DATABASE_URL", "host=h password='" + frontDoorSecret, "is not a PostgreSQL connection string"},
		{"DATABASE_URL", "postgres://u@h/d?sslrootcert=/nowhere/" + frontDoorSecret, "names a file"},
		{"LOCK_DATABASE_URL", "mysql:" + frontDoorSecret, "is not a PostgreSQL connection string"},
		{"LEDGER_SCHEMA", strings.Repeat("s", 64), "63 bytes"},
		{"LEDGER_SCHEMA", " ", "is blank"},
		{"INVOICES_PENDING", " ", "is blank"},
		{"INVOICES_MARK_SENT", "\t", "is blank"},
		{"INVOICES_ID", "", "is set to nothing"}, // and no more is said of it
		{"BILLING_URL", "", "is required"},
		{"BILLING_URL", "billing.example/" + frontDoorSecret, "is not a URL of the form https://"},
		{"BILLING_URL", "ftp://h/{id}", "is not a URL of the form https://"},
		{"BILLING_URL", "https://u:" + frontDoorSecret + "/{id}", "is not a URL of the form https://"},
		{"BILLING_URL", "https://:80/{id}", "is not a URL of the form https://"},
		{"BILLING_URL", "https://{id}.example/", "has a placeholder before the path"},
		{"BILLING_URL", "https://h/{id", "has a { without its }"},
		{"BILLING_URL", "https://h/{}", "has the placeholder {}"},
		{"BILLING_URL", "https://h/#/{id}", "has a #fragment"},
		{"BILLING_METHOD", "post", "in upper case"},
		{"BILLING_METHOD", "PO ST", "is none of POST"},
		{"BILLING_TOKEN", frontDoorSecret + "\nX-Other: 1", "has white space or a control character"},
		{"BILLING_HEADERS", "Authorization " + frontDoorSecret, "entry 1 is not"},
		{"BILLING_HEADERS", "X-A: 1,X B: " + frontDoorSecret, "entry 2 is not"},
		{"BILLING_HEADERS", "X-A: " + frontDoorSecret + "\x00", "entry 1 has a control character"},
		{"BILLING_HEADERS", "idempotency-key: 1", "sets Idempotency-Key"},
		{"BILLING_HEADERS", "Transfer-Encoding: chunked", "belongs to the connection"},
		{"BILLING_BODY", "rows", "is neither row nor none nor a template"},
		{"BILLING_BODY", `{"key": "` + frontDoorSecret + `", "id": {{.id}`, "is no template"},
		{"BILLING_TIMEOUT", "0", `"0" is below 1ms`},
		{"BILLING_LOOKUP_URL", "/v1/{id}", "is not a URL of the form https://"},
		{"BILLING_LOOKUP_URL", "https://h/v1/invoices", "has no {column}"},
		{"BILLING_TLS_CERT_FILE", "/nowhere/" + frontDoorSecret, "open the file"},
	} {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			t.Parallel()
			changes := map[string]string{test.name: test.value}
			if test.name == "BILLING_TLS_CERT_FILE" {
				changes["BILLING_TLS_KEY"] = "key" // that there is none to it only follows
			}
			_, err := judge(config.Database|config.Billing, changes)
			faults := faultsIn(t, err)
			if len(faults) != 1 || !strings.HasPrefix(faults[0], test.name+": ") || !strings.Contains(faults[0], test.want) {
				t.Errorf("got %q, want one fault of %s with %q", faults, test.name, test.want)
			}
		})
	}
}

// A Host header is sent, as any that doesn't belong to the connection.
func TestHostHeaderIsNoFault(t *testing.T) {
	t.Parallel()
	if _, err := judge(config.Database|config.Billing, map[string]string{"BILLING_HEADERS": "Host: billing.example\nX-A: 1\n"}); err != nil {
		t.Error(err)
	}
}

func TestTwoAuthorizationsAreAFault(t *testing.T) {
	t.Parallel()
	_, err := judge(config.Nothing, map[string]string{
		"BILLING_TOKEN": frontDoorSecret, "BILLING_HEADERS": "authorization: Basic " + frontDoorSecret,
	})
	if got := faultsIn(t, err); len(got) != 1 || !strings.Contains(got[0], "Authorization, and BILLING_TOKEN") {
		t.Errorf("got %q", got)
	}
}

// A certificate that can't be used keeps a run from starting, and nobody from looking
// or deciding.
func TestCertificateIsARunsMatter(t *testing.T) {
	t.Parallel()
	bad := map[string]string{"BILLING_TLS_CERT": "x", "BILLING_TLS_KEY": "y"}
	if _, err := judge(config.Database, bad); err != nil {
		t.Error(err)
	}
	_, err := judge(config.Database|config.Billing, bad)
	if got := faultsIn(t, err); len(got) != 1 || !strings.HasPrefix(got[0], "BILLING_TLS_CERT: ") {
		t.Errorf("got %q", got)
	}
}

// FuzzSettings puts anything into one variable, and anything around a secret into
// another that may hold one: nothing panics, no secret is shown.
func FuzzSettings(f *testing.F) {
	names := []string{
		"DATABASE_URL", "LOCK_DATABASE_URL", "BILLING_URL", "BILLING_LOOKUP_URL", "BILLING_TOKEN", "BILLING_BASIC_AUTH",
		"BILLING_SIGNING_SECRET", "BILLING_HEADERS", "BILLING_TLS_CERT", "BILLING_OUTCOMES", "BILLING_LOOKUP_OUTCOMES", "PUSHGATEWAY_URL",
		"RUN_LIMIT", "LINGER", "BILLING_RATE", "INVOICES_TABLE", "INVOICES_MARK_SENT",
	}
	const hidden = 11 // of them may hold a secret
	f.Add(uint8(11), "", uint8(0), "postgres://u:", "@h:port/d")
	f.Add(uint8(12), "0x10", uint8(1), "host=h password='", "")
	f.Add(uint8(12), "1h", uint8(2), "https://u:", "/{id}")
	f.Add(uint8(13), "1e9", uint8(7), "X-Key: ", ", Y:\x00")
	f.Add(uint8(14), "\"`\\\xff", uint8(9), "(?P<", ">[")
	f.Add(uint8(15), "{reply.", uint8(5), "", "")
	f.Fuzz(func(t *testing.T, i uint8, value string, j uint8, before, after string) {
		if strings.Contains(value+before+after, frontDoorSecret) {
			t.Skip()
		}
		changes := map[string]string{names[int(i)%len(names)]: value}
		changes[names[int(j)%hidden]] = before + frontDoorSecret + after
		if _, err := judge(config.Database|config.Billing, changes); err != nil {
			faultsIn(t, err)
		}
	})
}
