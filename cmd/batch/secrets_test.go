package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

// newSecrets are what must be seen nowhere, by the variable that they stand in.
func newSecrets() map[string]string {
	return map[string]string{
		"DATABASE_URL, wrong": "pw-c4n4ry-wr0ng", "BILLING_TOKEN": "t0ken-c4n4ry-1", "BILLING_BASIC_AUTH": "b4sic-c4n4ry-2",
		"BILLING_SIGNING_SECRET": base64.StdEncoding.EncodeToString([]byte("s1gning-c4n4ry-of-24-bytes")),
		"BILLING_HEADERS":        "he4der-c4n4ry-3", "BILLING_URL, user": "us3r-c4n4ry-4", "BILLING_URL, query": "qu3ry-c4n4ry-5",
		"PUSHGATEWAY_URL": "pu5h-c4n4ry-6", "OTEL_EXPORTER_OTLP_HEADERS": "ot3l-c4n4ry-7",
		"NOTIFY_URL": "n0tify-c4n4ry-8", "NOTIFY_BODY": "b0dy-c4n4ry-9", "PING_URL": "p1ng-c4n4ry-10",
	}
}

// Every command, as talkative as it can be, and with everything going wrong that
// may quote what it was given: nothing that it prints or keeps holds a secret.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	echo := newServer(t, func(w http.ResponseWriter, a asked, n int) {
		w.WriteHeader([]int{http.StatusInternalServerError, http.StatusBadRequest, http.StatusUnauthorized, http.StatusOK}[n%4])
		fmt.Fprint(w, a.uri, a.header, a.body)
	})
	s := newShop(t, two, "BILLING_URL="+echo.URL+"/{id}")
	s.sql("insert into invoices select 'more-' || n, 'x', 1, null from generate_series(1, 40) n")
	s.batch(0, "migrate")
	secrets := newSecrets()
	database, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	secrets["DATABASE_URL"], _ = database.User.Password()
	wrong := *database
	wrong.User = url.UserPassword(database.User.Username(), secrets["DATABASE_URL, wrong"])
	closed := *database
	closed.Host = "127.0.0.1:1"
	host := strings.TrimPrefix(echo.URL, "http://")

	carried := []string{
		"LOG_LEVEL=trace", "RUN_LIMIT=4", "LOCK_DATABASE_URL=" + s.url, "LINGER=0s", "BILLING_MAX_ATTEMPTS=2", "BILLING_TIMEOUT=2s",
		"BILLING_URL=http://" + host + "/v1/{id}?key=" + secrets["BILLING_URL, query"],
		"BILLING_LOOKUP_URL=http://" + host + "/look/{id}?key=" + secrets["BILLING_URL, query"],
		"BILLING_TOKEN=" + secrets["BILLING_TOKEN"], "BILLING_SIGNING_SECRET=whsec_" + secrets["BILLING_SIGNING_SECRET"],
		"BILLING_HEADERS=X-Key: " + secrets["BILLING_HEADERS"],
		"PUSHGATEWAY_URL=http://me:" + secrets["PUSHGATEWAY_URL"] + "@127.0.0.1:1",
		"NOTIFY_URL=http://127.0.0.1:1/" + secrets["NOTIFY_URL"], "NOTIFY_BODY=token=" + secrets["NOTIFY_BODY"], "PING_URL=http://127.0.0.1:1/" + secrets["PING_URL"],
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS=authorization=" + secrets["OTEL_EXPORTER_OTLP_HEADERS"],
	}
	basic := []string{
		"BILLING_TOKEN=", "BILLING_BASIC_AUTH=me:" + secrets["BILLING_BASIC_AUTH"],
	}
	inURL := []string{"BILLING_TOKEN=", "BILLING_URL=http://me:" + secrets["BILLING_URL, user"] + "@" + host + "/{id}"}
	unreachable := []string{"BILLING_URL=" + "https://" + host + "/{id}?key=" + secrets["BILLING_URL, query"]} // no TLS there
	for _, c := range []struct {
		args []string
		env  []string
	}{
		{[]string{"run"}, nil},
		{[]string{"run"}, basic},
		{[]string{"run"}, inURL},
		{[]string{"run"}, unreachable},
		{[]string{"run"}, []string{"LOCK_STRATEGY=row", "LOG_FORMAT=json"}},
		{[]string{"run", "--dry-run"}, nil},
		{[]string{"run", "--dry-run"}, basic},
		{[]string{"run", "--dry-run"}, inURL},
		{[]string{"run"}, []string{"DATABASE_URL=" + wrong.String()}},
		{[]string{"run"}, []string{"DATABASE_URL=" + closed.String()}},
		{[]string{"run"}, []string{"DATABASE_URL=" + s.url + "&sslmode=verify-full"}},
		{[]string{"run"}, []string{"DATABASE_URL=" + s.url + "&connect_timeout=x"}},
		{[]string{"run"}, []string{"LOCK_DATABASE_URL=" + wrong.String()}},
		{[]string{"run"}, []string{"INVOICES_PENDING=pendign"}},
		{[]string{"run"}, []string{"BILLING_TOKEN=" + secrets["BILLING_TOKEN"] + "\n"}},
		{[]string{"run"}, []string{"BILLING_HEADERS=" + secrets["BILLING_HEADERS"]}},
		{[]string{"run"}, []string{"BILLING_BASIC_AUTH=" + secrets["BILLING_BASIC_AUTH"]}},
		{[]string{"run"}, []string{"BILLING_URL=http://me:" + secrets["BILLING_URL, user"] + "@%zz/{id}"}},
		{[]string{"doctor"}, nil},
		{[]string{"doctor", "--json"}, unreachable},
		{[]string{"doctor"}, []string{"DATABASE_URL=" + wrong.String()}},
		{[]string{"migrate"}, []string{"DATABASE_URL=" + wrong.String()}},
		{[]string{"status"}, nil},
		{[]string{"status", "--json"}, nil},
		{[]string{"status", "--in-doubt"}, nil},
		{[]string{"history", "2"}, nil},
		{[]string{"resolve", "--all-in-doubt", "--yes", "--cancel", "--reason", "tried"}, nil},
		{[]string{"prune", "--older-than", "400d"}, nil},
		{[]string{"help", "environment"}, nil},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], c.args...)
		cmd.Env = append(os.Environ(), asBatch+"=1")
		for name, value := range s.env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		cmd.Env = append(append(cmd.Env, carried...), c.env...)
		said, _ := cmd.CombinedOutput()
		wantNoSecret(t, secrets, fmt.Sprint(c.args, " ", c.env), string(said))
	}
	wantNoSecret(t, secrets, "the ledger", s.ask(`select (select coalesce(string_agg(d::text, ' '), '') from billonce.deliveries d) ||
		(select string_agg(r::text, ' ') from billonce.runs r) || (select coalesce(string_agg(h::text, ' '), '') from billonce.history h)`))
	if n := len(echo.asked()); n < 16 {
		t.Errorf("only %d requests: what is echoed?", n)
	}
}

// A crash prints every goroutine's stack, as a panic does.
func TestNoSecretIsInAStackTrace(t *testing.T) {
	t.Parallel()
	under := make(chan struct{})
	goOn := make(chan struct{})
	api := newServer(t, func(http.ResponseWriter, asked, int) {
		close(under)
		<-goOn
	})
	t.Cleanup(func() { close(goOn) })
	s := newShop(t, two)
	s.batch(0, "migrate")
	b := &book{t: t, url: s.url, env: s.env}
	secrets := newSecrets()
	p := b.start("BILLING_URL="+strings.Replace(api.URL, "http://", "http://me:"+secrets["BILLING_URL, user"]+"@", 1)+"/{id}?key="+secrets["BILLING_URL, query"],
		"BILLING_HEADERS=X-Key: "+secrets["BILLING_HEADERS"], "RUN_LIMIT=1")
	<-under
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	p.wantExit(billing.ExitUsage) // Go's own code for it
	if !strings.Contains(p.output(), "goroutine ") {
		t.Errorf("no stack trace:\n%s", p.output())
	}
	wantNoSecret(t, secrets, "the stack trace", p.output())
}

func wantNoSecret(t *testing.T, secrets map[string]string, where, text string) {
	t.Helper()
	for name, secret := range secrets {
		basic := base64.StdEncoding.EncodeToString([]byte("me:" + secret))
		for _, form := range []string{secret, secret[:len(secret)-2], url.QueryEscape(secret), basic} {
			if strings.Contains(text, form) {
				t.Errorf("%s: the secret of %s is shown:\n%s", where, name, text)
				break
			}
		}
	}
}
