package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgerr"
)

// The page as the role that `batch migrate --role NAME --for serve` has equipped: it shows
// everything, and decides only where somebody may decide.
func TestServeAsARoleWithNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	for name, deciders := range map[string]string{"read": "", "decide": "ann"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBook(t, 4, billingfake.Config{Fault: func(billingfake.Received) billingfake.Fault { return billingfake.ApplyThenReset{} }})
			b.start("BILLING_LOOKUP_AFTER=0s", "RUN_CANARY=0").wantExit(3)
			b.execute("update billonce.deliveries set deadline_at = now() - interval '1 hour'; create table payroll (name text)")
			role := "page_" + query[string](b, "select current_database()")
			quoted := pgx.Identifier{role}.Sanitize()
			b.execute("create role " + quoted + " login password 'x'")
			t.Cleanup(func() { b.execute("drop owned by " + quoted + "; drop role " + quoted) })
			deciding := []string{"SERVE_DECIDERS=" + deciders, "SERVE_PROXY_HEADER=X-User", "SERVE_TRUSTED_PROXIES=127.0.0.1"}
			var out bytes.Buffer
			if code := run(t.Context(), []string{"migrate", "--role", quoted, "--for", "serve"}, append(deciding, "DATABASE_URL="+b.url), &out, &out); code != 0 {
				t.Fatalf("exit code %d:\n%s", code, &out)
			}
			asRole := roleURL(t, b.url, role, "x")
			wantPages(t, append(deciding, "DATABASE_URL="+asRole, "SERVE_ADDR=127.0.0.1:0", "BILLING_LOOKUP_AFTER=0s"))

			for _, args := range [][]string{
				{"resolve", "1", "--sent", "--reason", "seen", "--yes"},
				{"resolve", "2", "--retry", "--reason", "not there", "--yes"},
				{"resolve", "3", "--cancel", "--reason", "not owed", "--yes"},
				{"resolve", "3", "--reopen", "--reason", "owed", "--yes"},
				{"resolve", "1", "--again", "--reason", "owed twice", "--yes"},
				{"pause", "--reason", "a look"},
				{"resume", "--reason", "all is well"},
			} {
				out.Reset()
				if args[2] == "--again" {
					b.execute("update invoices set pending = true where id = 1")
				}
				if code := run(t.Context(), append(args, "--by", "ann"), []string{"DATABASE_URL=" + asRole, "BILLING_LOOKUP_AFTER=0s"}, &out, &out); (code == 0) != (deciders != "") {
					t.Errorf("%v: exit code %d:\n%s", args, code, &out)
				}
			}
			wantDenied(t, asRole,
				"select * from payroll", "select * from billonce.kept", "delete from invoices", "update invoices set amount_cents = 0",
				"insert into billonce.deliveries (invoice_id) values (7)", "delete from billonce.deliveries", "update billonce.ledger set id = gen_random_uuid()",
				"update billonce.history set reason = 'none'", "delete from billonce.set_aside", "insert into billonce.runs (run_id) values (gen_random_uuid())",
				"delete from billonce.runs", "create table billonce.mine ()")
			if deciders == "" {
				wantDenied(t, asRole, "update invoices set pending = false", "update billonce.deliveries set state = 'sent'",
					"update billonce.ledger set paused_by = 'me'", "update billonce.runs set exit_code = 0", "insert into billonce.history (reason) values ('x')")
			}
		})
	}
}

// wantPages serves the page and wants each of it whole.
func wantPages(t *testing.T, env []string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	from, out := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve"}, env, out, out)
		_ = out.Close()
	}()
	defer func() {
		stop()
		go func() { _, _ = io.Copy(io.Discard, from) }()
		if code := <-ended; code != 0 {
			t.Errorf("serve: exit code %d", code)
		}
	}()
	said := make([]byte, 4096)
	n, err := from.Read(said)
	at := regexp.MustCompile(`http://\S+`).Find(said[:n])
	if err != nil || at == nil {
		t.Fatalf("serve says %q: %v", said[:n], err)
	}
	for _, path := range []string{"", "decide", "open?kind=in_doubt", "invoice?id=1"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, string(at)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-User", "ann")
		reply, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reply.Body)
		if err = errors.Join(err, reply.Body.Close()); err != nil || reply.StatusCode != http.StatusOK || !strings.Contains(string(text), "in doubt") && path != "invoice?id=1" {
			t.Errorf("/%s: %s, %v\n%s", path, reply.Status, err, text)
		}
	}
}

// wantDenied wants each statement to be refused for want of a right.
func wantDenied(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); !pgerr.Is(err, pgerrcode.InsufficientPrivilege) {
			t.Errorf("%s: %v, want SQLSTATE 42501, insufficient privilege", statement, err)
		}
	}
}
