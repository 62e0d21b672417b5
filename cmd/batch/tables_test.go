package main

import (
	"strings"
	"sync"
	"testing"
)

// Tables of all shapes: each is sent whole, row by row once, and marked as its
// owner marks it.
func TestYourTable(t *testing.T) {
	t.Parallel()
	const url = "/v1/invoices/{id}"
	for name, c := range map[string]struct {
		setUp string   // makes the table, with five pending invoices and one that is not
		env   []string // how it is described
		left  string   // asks for those that are still pending
		sent  string   // asks what was marked
		want  string
	}{
		"schema_and_mixed_case": {
			`create schema "Billing"; create table "Billing"."Invoice" ("Id" bigint primary key, "Open" bool);
			 insert into "Billing"."Invoice" select n, n < 6 from generate_series(1, 6) n`,
			[]string{`INVOICES_TABLE="Billing"."Invoice"`, `INVOICES_ID="Id"`, `INVOICES_PENDING="Open"`, `INVOICES_MARK_SENT="Open" = false`, "BILLING_URL=/v1/invoices/{Id}"},
			`select count(*)::text from "Billing"."Invoice" where "Open"`,
			`select string_agg("Id"::text, ' ' order by "Id") from "Billing"."Invoice" where not "Open"`, "1 2 3 4 5 6",
		},
		"reserved_words": {
			`create table "order" ("select" integer primary key, "from" text, "user" text, "table" int);
			 insert into "order" select n, case when n < 6 then 'open' else 'paid' end, 'x', 0 from generate_series(1, 6) n`,
			[]string{`INVOICES_TABLE="order"`, `INVOICES_ID="select"`, `INVOICES_PENDING="from" = 'open'`, `INVOICES_MARK_SENT="from" = 'sent', "table" = "table" + 1`, "BILLING_URL=/v1/invoices/{select}"},
			`select count(*)::text from "order" where "from" = 'open'`,
			`select string_agg("select"::text || "table", ' ' order by "select") from "order" where "from" = 'sent'`, "11 21 31 41 51",
		},
		"integer": {
			`create table bills (id integer primary key, pending bool, sent_at timestamptz); insert into bills select n, n < 6 from generate_series(1, 6) n`,
			[]string{"INVOICES_TABLE=bills", "BILLING_URL=" + url},
			`select count(*)::text from bills where pending`, `select count(sent_at)::text from bills`, "5",
		},
		"smallint": {
			`create table bills (id smallint primary key, pending bool, sent_at timestamptz); insert into bills select n - 3, n < 6 from generate_series(1, 6) n`,
			[]string{"INVOICES_TABLE=bills", "BILLING_URL=" + url},
			`select count(*)::text from bills where pending`, `select count(sent_at)::text from bills`, "5",
		},
		"varchar": {
			`create table bills (id varchar(20) primary key, pending bool, sent_at timestamptz); insert into bills select 'RE-' || n, n < 6 from generate_series(1, 6) n`,
			[]string{"INVOICES_TABLE=bills", "BILLING_URL=" + url},
			`select count(*)::text from bills where pending`, `select count(sent_at)::text from bills`, "5",
		},
		"umlauts": { // which PostgreSQL does not fold
			`create schema Übersicht; create table Übersicht.Bücher (Nr int primary key, "offen?" bool); insert into Übersicht.Bücher select n, n < 6 from generate_series(1, 6) n`,
			[]string{"INVOICES_TABLE=Übersicht.Bücher", "INVOICES_ID=NR", `INVOICES_PENDING="offen?"`, `INVOICES_MARK_SENT="offen?" = false`, "BILLING_URL=/v1/invoices/{nr}"},
			`select count(*)::text from Übersicht.Bücher where "offen?"`, `select count(*)::text from Übersicht.Bücher where not "offen?"`, "6",
		},
		"another_table": { // in the predicate, with a column of the same name
			`create table customers (id int primary key, active bool); insert into customers select n, n < 6 from generate_series(1, 6) n;
			 create table invoices (id int primary key, customer int, pending bool default true, sent_at timestamptz); insert into invoices select n + 100, n from generate_series(1, 6) n`,
			[]string{"INVOICES_PENDING=pending and exists (select from customers c where c.id = invoices.customer and c.active)", "BILLING_URL=" + url},
			`select (count(*) - 1)::text from invoices where pending`, `select string_agg(id::text, ' ' order by id) from invoices where not pending`, "101 102 103 104 105",
		},
		"uuid": {
			`create table bills (id uuid primary key default gen_random_uuid(), pending bool, sent_at timestamptz); insert into bills (pending) select n < 6 from generate_series(1, 6) n`,
			[]string{"INVOICES_TABLE=bills", "BILLING_URL=" + url},
			`select count(*)::text from bills where pending`, `select count(sent_at)::text from bills`, "5",
		},
		"text": { // that JSON, arrays and URLs would take for their own
			`create table bills (id text primary key, pending bool, sent_at timestamptz);
			 insert into bills values ('a/b', true), ('{"x"}', true), ('ä %20', true), ('back\slash', true), ('null', true), ('done', false)`,
			[]string{"INVOICES_TABLE=bills", "BILLING_URL=" + url},
			`select count(*)::text from bills where pending`, `select count(sent_at)::text from bills`, "5",
		},
		"view": { // of the unsent ones alone, columns by other names
			`create table documents (nr bigint primary key, kind text, state text, done timestamptz);
			 insert into documents select n, 'invoice', case when n < 6 then 'open' else 'paid' end from generate_series(1, 6) n;
			 insert into documents values (99, 'letter', 'open');
			 create view open_invoices as select nr as id, state, done as sent_at from documents where kind = 'invoice' and state = 'open'`,
			[]string{"INVOICES_TABLE=open_invoices", "INVOICES_PENDING=true", "INVOICES_MARK_SENT=state = 'sent', sent_at = now()", "BILLING_URL=" + url},
			`select count(*)::text from open_invoices`,
			`select string_agg(nr || state, ' ' order by nr) from documents where done is not null`, "1sent 2sent 3sent 4sent 5sent",
		},
		"partitioned": {
			`create table invoices (id bigint, month date, pending bool, sent_at timestamptz, primary key (month, id)) partition by range (month);
			 create table invoices_10 partition of invoices for values from ('2026-10-01') to ('2026-11-01');
			 create table invoices_rest partition of invoices default;
			 insert into invoices select n, case when n < 4 then date '2026-10-01' else date '2026-11-01' end, n < 6 from generate_series(1, 6) n`,
			[]string{"BILLING_URL=" + url},
			`select count(*)::text from invoices where pending`,
			`select count(sent_at) || ' ' || (select count(sent_at) from invoices_10) from invoices`, "5 3",
		},
		"dates": { // three days before the due date
			`create table invoices (id bigint primary key, status text, due_date date, sent_at timestamptz);
			 insert into invoices select n, 'open', current_date + n - 2 from generate_series(1, 9) n;
			 update invoices set status = 'void' where id = 9`,
			[]string{"INVOICES_PENDING=status = 'open' and due_date <= current_date + 3", "INVOICES_MARK_SENT=status = 'sent', sent_at = now()", "BILLING_URL=" + url},
			`select count(*)::text from invoices where status = 'open' and due_date <= current_date + 3`,
			`select string_agg(id::text, ' ' order by id) from invoices where status = 'sent'`, "1 2 3 4 5",
		},
		"columns_named_as_ours": { // in our statements; i is a row of its own
			`create type pair as (a int, b int);
			 create table invoices (invoice_id bigint primary key, i pair default row(1, 2), d int, c int, k int, n int, s text, page int, state text, updated_at timestamptz);
			 insert into invoices (invoice_id, state) select n, case when n < 6 then 'sending' else 'sent' end from generate_series(1, 6) n`,
			[]string{
				"INVOICES_ID=invoice_id", "INVOICES_PENDING=state = 'sending'", "INVOICES_MARK_SENT=state = 'sent', updated_at = now()", "BILLING_URL=/v1/invoices/{invoice_id}",
				"BILLING_BODY={{json .i.b}} {{json .state}} {{json .invoice_id}}",
			},
			`select count(*)::text from invoices where state = 'sending'`, `select count(updated_at)::text from invoices`, "5",
		},
		"several_columns": {
			`create table invoices (id bigint primary key, status text, sent_at timestamptz, attempts int default 0, sent_on date, note text);
			 insert into invoices (id, status) select n, case when n < 6 then 'open' else 'paid' end from generate_series(1, 6) n`,
			[]string{
				"INVOICES_PENDING=status = 'open'", "BILLING_URL=" + url,
				"INVOICES_MARK_SENT=(status, attempts) = ('sent', invoices.attempts + 1),\n  sent_at = now(), sent_on = current_date, -- as the clerks have it\n  note = format('%s, {as it was}', status)",
			},
			`select count(*)::text from invoices where status = 'open'`,
			`select string_agg(distinct note || attempts || (sent_on = sent_at::date), ' ') from invoices where status = 'sent'`, "open, {as it was}1true",
		},
	} {
		for _, strategy := range []string{"advisory", "row"} {
			t.Run(name+"/"+strategy, func(t *testing.T) {
				t.Parallel()
				api := newServer(t, nil)
				s := newShop(t, c.setUp, append(c.env, "LOCK_STRATEGY="+strategy)...)
				s.set("BILLING_URL=" + api.URL + s.env["BILLING_URL"])
				s.batch(0, "migrate")
				s.says("\n5 invoices would be sent: ", "run", "--dry-run")
				s.batch(0, "run")
				s.wants(c.left, "0")
				s.wants(c.sent, c.want)
				s.wants("select count(*)::text from billonce.deliveries where state = 'sent'", "5")
				if n := len(api.asked()); n != 5 {
					t.Errorf("%d requests for 5 invoices", n)
				}
				s.batch(0, "run")
				if n := len(api.asked()); n != 5 {
					t.Errorf("another run sent %d again", n-5)
				}
				s.says("5  today 5 (", "status")
				s.says(": sent, key ", "history", "--", s.ask("select min(invoice_id::text) from billonce.deliveries"))
				s.sql("update billonce.deliveries set updated_at = now() - interval '401 days'")
				s.says("Removed 5 of 5 deliveries.", "prune", "--older-than", "400d")
			})
		}
	}
}

// Two books with the same ids, side by side in one database.
func TestTwoBooksInOneDatabase(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		api := newServer(t, nil)
		var shops [2]*shop
		for i, env := range [][]string{
			{"INVOICES_TABLE=north.invoices", "LEDGER_SCHEMA=north_ledger", "RUN_NAME=north", "LOCK_NAMESPACE=north"},
			{"INVOICES_TABLE=south.invoices", "LEDGER_SCHEMA=south_ledger", "RUN_NAME=south", "LOCK_NAMESPACE=south"},
		} {
			if i == 0 {
				shops[i] = newShop(t, `create schema north; create schema south;
					create table north.invoices (id bigint primary key, pending bool default true, sent_at timestamptz);
					create table south.invoices (like north.invoices including all);
					insert into north.invoices select generate_series(1, 50); insert into south.invoices select generate_series(1, 50)`)
			} else {
				shops[i] = &shop{t: t, url: shops[0].url, env: map[string]string{
					"DATABASE_URL": shops[0].url, "LINGER": "0s", "LOG_FORMAT": "console",
				}}
			}
			shops[i].set(append(env, strategy)...)
			shops[i].set("BILLING_URL=" + api.URL + "/" + shops[i].env["RUN_NAME"] + "/{id}")
			shops[i].batch(0, "migrate")
		}
		var both sync.WaitGroup
		for _, s := range shops {
			both.Go(func() { s.batch(0, "run") })
		}
		both.Wait()
		met, keys := map[string]int{}, map[string]bool{}
		for _, a := range api.asked() {
			met[a.uri]++
			keys[a.header.Get("Idempotency-Key")] = true
		}
		if len(met) != 100 || len(keys) != 100 || len(api.asked()) != 100 {
			t.Errorf("%d requests for %d invoices under %d keys, want 100 of each", len(api.asked()), len(met), len(keys))
		}
		shops[0].wants(`select (select count(*) from north_ledger.deliveries where state = 'sent') || ' ' ||
			(select count(*) from south_ledger.deliveries where state = 'sent')`, "50 50")
	})
}

// A template that names what the table has not, or what could mean two things, is named
// with its variable before anything is touched.
func TestTemplatesNameColumns(t *testing.T) {
	t.Parallel()
	api := newServer(t, nil)
	s := newShop(t, `create table invoices (id int primary key, customer text, amount numeric, api_token text, idempotency_key text, pending bool default true, sent_at timestamptz);
		insert into invoices values (1, 'c', 1, 't', 'k')`)
	s.batch(0, "migrate")
	for _, c := range []struct {
		env  []string
		want []string
	}{
		{[]string{"BILLING_BODY={{json .custmer}}"}, []string{`BILLING_BODY: names the column "custmer", which "public"."invoices" does not have; did you mean "customer"?`}},
		{[]string{"BILLING_BODY={{if .paid}}{{json .Amount}}{{end}}"}, []string{
			`BILLING_BODY: names the column "paid", which "public"."invoices" does not have; it has "id", "customer", "amount", "api_token", "idempotency_key", "pending", "sent_at"`,
			`BILLING_BODY: names the column "Amount", which "public"."invoices" does not have; did you mean "amount"?`,
		}},
		{[]string{"BILLING_HEADERS=Authorization: Bearer {api_tokne}", "BILLING_URL=" + api.URL + "/{ids}", "BILLING_LOOKUP_URL=" + api.URL + "/{costumer}", "BILLING_BODY={{.sent_on}}"}, []string{
			`BILLING_URL: names the column "ids"`, `BILLING_LOOKUP_URL: names the column "costumer"`, `did you mean "customer"?`,
			`BILLING_HEADERS: names the column "api_tokne"`, `BILLING_BODY: names the column "sent_on", which "public"."invoices" does not have; did you mean "sent_at"?`,
		}},
		{[]string{"BILLING_HEADERS=X-Request: {idempotency_key}"}, []string{`BILLING_HEADERS: {idempotency_key} stands for something of ours, and "public"."invoices" has a column of that name, too`}},
		{[]string{"BILLING_HEADERS=X-Request: {idempotency_key_hex}", `BILLING_BODY={{json .idempotency_key}}{{json idempotency_key}}{{with .customer}}{{.x}}{{$.amount}}{{end}}`}, nil},
	} {
		for _, command := range [][]string{{"run", "--dry-run"}, {"doctor"}, {"run"}} {
			again := &shop{t: t, url: s.url, env: map[string]string{}}
			for name, value := range s.env {
				again.env[name] = value
			}
			again.set(append([]string{"BILLING_URL=" + api.URL + "/{id}"}, c.env...)...)
			code := 2
			switch {
			case c.want == nil && command[0] == "run":
				continue
			case c.want == nil:
				code = 0
			case command[0] == "doctor":
				code = 5
			}
			out, said := again.batch(code, command...)
			for _, want := range c.want {
				if !strings.Contains(out+said, want) {
					t.Errorf("%q %q lacks %s:\n%s%s", c.env, command, want, out, said)
				}
			}
		}
	}
	if asked := api.asked(); len(asked) > 0 {
		t.Errorf("%d requests", len(asked))
	}
	s.wants("select count(*) || ' ' || (select count(*) from billonce.runs) from billonce.deliveries", "0 0")
}
