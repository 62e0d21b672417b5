package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const dryTable = `create table invoices (id bigint primary key, customer text, amount_cents bigint, currency text, pending bool default true, sent_at timestamptz);
	insert into invoices select n, 'customer ' || n, n * 1000, case when n % 2 = 0 then 'EUR' else 'USD' end from generate_series(1, 25) n`

// What a dry run says is what a run then does: which invoices, and the request of
// the first, byte by byte.
func TestDryRunSaysWhatIsThenSent(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		for name, c := range map[string]struct {
			env   []string
			args  []string
			count int
			ids   string
		}{
			"all":      {nil, nil, 25, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …"},
			"limit":    {[]string{"RUN_LIMIT=10", "CLAIM_SIZE=4"}, nil, 10, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"},
			"only":     {nil, []string{"--only", "17,3"}, 2, "3, 17"},
			"pending":  {[]string{"INVOICES_PENDING=pending and id > 20"}, nil, 5, "21, 22, 23, 24, 25"},
			"template": {[]string{"BILLING_METHOD=PUT", `BILLING_BODY={"to": {{json .customer}}, "cents": {{.amount_cents}}}`, "BILLING_IDEMPOTENT=true"}, nil, 25, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …"},
			"no body":  {[]string{"BILLING_BODY=none", "RUN_LOCK=shared"}, nil, 25, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				api := newServer(t, nil)
				s := newShop(t, dryTable, append(c.env, strategy, "BILLING_URL="+api.URL+"/bill/{customer}/{id}?key=s3cr3t-query",
					"BILLING_TOKEN=s3cr3t-token", `BILLING_HEADERS=X-Tenant: s3cr3t-header, Accept: text/html`)...)
				s.batch(0, "migrate")
				dry, said := s.batch(0, append([]string{"run", "--dry-run"}, c.args...)...)
				if len(api.asked()) != 0 {
					t.Fatalf("%d requests", len(api.asked()))
				}
				s.wants("select (select count(*) from billonce.runs) || ' ' || (select count(*) from billonce.deliveries) || ' ' || (select count(*) from invoices where not pending)", "0 0 0")
				if strings.Contains(dry+said, "s3cr3t") {
					t.Errorf("it shows a secret:\n%s%s", dry, said)
				}
				if want := fmt.Sprintf("\n%d invoices would be sent: %s\n", c.count, c.ids); !strings.Contains(dry, want) {
					t.Errorf("it does not say %q:\n%s", want, dry)
				}

				s.batch(0, append([]string{"run"}, c.args...)...)
				if n := len(api.asked()); n != c.count {
					t.Errorf("%d requests, %d were said", n, c.count)
				}
				first, _, _ := strings.Cut(c.ids, ",")
				at := slices.IndexFunc(api.asked(), func(a asked) bool { return strings.HasPrefix(a.uri, "/bill/customer%20"+first+"/"+first+"?") })
				if at < 0 {
					t.Fatalf("no request for invoice %s", first)
				}
				_, shown, _ := strings.Cut(dry, "The request of invoice "+first+":\n\n")
				if sent := asShown(api.URL, api.asked()[at]); shown != sent {
					t.Errorf("said\n%s\nsent\n%s", shown, sent)
				}
				for _, id := range strings.Split(strings.TrimSuffix(c.ids, ", …"), ", ") {
					if !slices.ContainsFunc(api.asked(), func(a asked) bool { return strings.Contains(a.uri, "/"+id+"?") }) {
						t.Errorf("invoice %s was said to be sent, and was not", id)
					}
				}
			})
		}
	})
}

// asShown is a request that was received, as a dry run should have shown it.
func asShown(base string, a asked) string {
	for _, ofTheConnection := range []string{"Accept-Encoding", "Content-Length"} {
		a.header.Del(ofTheConnection)
	}
	var lines []string
	for name, values := range a.header {
		lines = append(lines, name+": "+values[0])
	}
	slices.Sort(lines)
	text := fmt.Sprintf("%s %s%s\n%s\n", a.method, base, a.uri, strings.Join(lines, "\n"))
	if a.body != "" {
		text += "\n" + a.body + "\n"
	}
	return regexp.MustCompile(`s3cr3t-\w+`).ReplaceAllString(text, "***")
}

func TestDryRunTellsSumsAndWhatIsLeft(t *testing.T) {
	t.Parallel()
	api := newServer(t, func(w http.ResponseWriter, a asked, _ int) {
		if a.uri == "/2" {
			w.WriteHeader(http.StatusPaymentRequired)
		}
	})
	s := newShop(t, dryTable, "BILLING_URL="+api.URL+"/{id}", "BILLING_BODY={{if .customer}}{{json .}}{{end}}{{if eq (print .id) \"9\"}}{{cents .customer}}{{end}}")
	s.batch(0, "migrate")
	s.batch(3, "run", "--only", "1,2")
	s.sql(`insert into billonce.deliveries (invoice_id, state, attempt, run_attempt, idempotency_key, body_sha256, run_id, first_sent_at, updated_at, deadline_at, due_at)
		values (3, 'retry', 1, 1, gen_random_uuid(), sha256(''), gen_random_uuid(), now(), now(), now(), now() + interval '1 hour'),
		(4, 'sending', 1, 1, gen_random_uuid(), sha256(''), gen_random_uuid(), now(), now(), now(), null)`)
	dry, said := s.batch(0, "run", "--dry-run")
	for _, want := range []string{
		"20 invoices would be sent: 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, …\n",
		"\nTogether 1,500.00 EUR, 1,560.00 USD (the column amount_cents).\n",
		"\n  not among them: 1 whose requests can't be built: see the warnings\n", "\n  not among them: 1 in progress, or left by a runner that died\n",
		"\n  not among them: 1 due for another attempt later\n", "\n  not among them: 1 failed before (see `batch status`)\n",
	} {
		if !strings.Contains(dry, want) {
			t.Errorf("it does not say %q:\n%s", want, dry)
		}
	}
	if !strings.Contains(said, "can't build the request for this invoice") {
		t.Errorf("no warning:\n%s", said)
	}
}

func TestDryRunOfOtherAmounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ columns, row, want string }{
		"decimals":     {"total numeric(10,2), amount_due numeric(10,3)", "1.10, -1234567.891", "Together -2,469,135.782 (the column amount_due).\n"},
		"total":        {"kind text, \"Total\" bigint", "'x', 9007199254740993", "Together 18,014,398,509,481,986 (the column Total).\n"},
		"no such":      {"kind text, price int", "'x', 1", "2 invoices would be sent: 1, 2\n\nThe request"},
		"not a number": {"amount text", "'1'", "2 invoices would be sent: 1, 2\n\nThe request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, "create table invoices (id int primary key, pending bool default true, sent_at date, "+c.columns+");"+
				"insert into invoices values (1, true, null, "+c.row+"), (2, true, null, "+c.row+")", "BILLING_URL=http://localhost/{id}")
			s.batch(0, "migrate")
			if dry, _ := s.batch(0, "run", "--dry-run"); !strings.Contains(dry, c.want) {
				t.Errorf("it does not say %q:\n%s", c.want, dry)
			}
		})
	}
	s := newShop(t, "create table invoices (id int primary key, pending bool default true, sent_at date)", "BILLING_URL=http://localhost/{id}")
	s.batch(0, "migrate")
	if dry, _ := s.batch(0, "run", "--dry-run"); dry != "Dry run: nothing was locked, recorded or sent.\n0 invoices would be sent\n" {
		t.Errorf("of nothing it says:\n%s", dry)
	}
}
