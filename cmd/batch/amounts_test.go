package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// An amount that is none leaves its invoice as it was, and is said; no other amount
// is sent in its place.
func TestAmountsThatAreNone(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		api := newServer(t, nil)
		s := newShop(t, `create table invoices (id int primary key, amount text, price numeric(20, 10), rate float8, pending bool default true, sent_at timestamptz);
			insert into invoices values (1, '12.3000', 12.3, 12.3), (2, '-0.07', -0.07, 1e15), (3, '1.005', 1, 1), (4, null, 1, 1), (5, '12,30', 1, 1),
				(6, '1', 1.005, 1), (7, '1', 'NaN', 1), (8, '1', null, 1), (9, '1', 1, 0.1::float8 + 0.2::float8), (10, '1', 1, 'Infinity')`,
			strategy, "BILLING_URL="+api.URL+"/{id}", "BILLING_BODY={{cents .amount}} {{cents .price}} {{cents .rate}}")
		s.batch(0, "migrate")
		s.set("LOG_LEVEL=debug") // each invoice's own line
		_, said := s.batch(3, "run")
		var got []string
		for _, a := range api.asked() {
			got = append(got, a.uri+" "+a.body)
		}
		slices.Sort(got)
		if text := strings.Join(got, ", "); text != "/1 1230 1230 1230, /2 -7 -7 100000000000000000" {
			t.Errorf("sent %s", text)
		}
		for line, n := range map[string]int{
			"can't build the request for this invoice: set aside, and left pending": 9, // and a line with the count
			"has a fraction of a cent; round it":                                    3,
			"is NULL; write {{if .column}} around it":                               2,
			"is no amount; one is written as 12.30":                                 3,
			"8 whose requests can't be built":                                       1,
		} {
			if got := strings.Count(said, line); got != n {
				t.Errorf("%q stands there %d times, want %d:\n%s", line, got, n, said)
			}
		}
		s.wants("select (select string_agg(id::text, ' ' order by id) from invoices where pending) || ', ' || (select string_agg(invoice_id::text, ' ' order by invoice_id) from billonce.deliveries)",
			"3 4 5 6 7 8 9 10, 1 2")
	})
}

// What is billed stands in the ledger, in the currency's unit, where the settings name its
// columns: by their names alone, whatever else looks like an amount. A retry whose row was
// corrected has the new one.
func TestAmountsAreKept(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		api := newServer(t, func(w http.ResponseWriter, a asked, _ int) {
			if a.uri == "/4" {
				w.WriteHeader(http.StatusTooManyRequests)
			}
		})
		s := newShop(t, `create domain money_minor as bigint;
			create table invoices (id int primary key, amount int, "Due_cents" money_minor, cur char(3), pending bool default true, sent_at timestamptz);
			insert into invoices values (1, 7, 1230, 'EUR'), (2, 7, 500, 'jpy'), (3, 7, null, null), (4, 7, 1, 'KWD')`,
			strategy, "BILLING_URL="+api.URL+"/{id}", "BILLING_BODY=none", "BILLING_MAX_ATTEMPTS=1", `INVOICES_AMOUNT="Due_cents"`, "INVOICES_CURRENCY=cur")
		s.batch(0, "migrate")
		out, _ := s.batch(0, "run", "--dry-run")
		if want := "Together 0.001 KWD, 12.30 EUR, 500 JPY (the column Due_cents)."; !strings.Contains(out, want) {
			t.Errorf("%s\nlacks %s", out, want)
		}
		s.batch(anyCode, "run")
		const kept = "select string_agg(concat_ws(' ', invoice_id, amount, currency), ', ' order by invoice_id) from billonce.deliveries"
		s.wants(kept, "1 12.30 EUR, 2 500 JPY, 3, 4 0.001 KWD")
		s.sql(`update invoices set "Due_cents" = 2500 where id = 4; update billonce.deliveries set due_at = now() where state = 'retry'`)
		s.batch(anyCode, "run")
		s.wants(kept, "1 12.30 EUR, 2 500 JPY, 3, 4 2.500 KWD")

		s.set("INVOICES_AMOUNT=cur", "INVOICES_CURRENCY=curr")
		_, said := s.batch(2, "run")
		for _, want := range []string{`INVOICES_AMOUNT: column "cur" is character, and no number`, `INVOICES_CURRENCY: names the column "curr", which "public"."invoices" does not have; did you mean "cur"?`} {
			if !strings.Contains(said, want) {
				t.Errorf("%s\nlacks %s", said, want)
			}
		}
		s.set("INVOICES_AMOUNT=a.b", "INVOICES_CURRENCY=c d")
		_, said = s.batch(2, "run")
		for _, want := range []string{`INVOICES_AMOUNT: "a.b" has 2 parts`, `INVOICES_CURRENCY: "c d" is not a name`} {
			if !strings.Contains(said, want) {
				t.Errorf("%s\nlacks %s", said, want)
			}
		}
	})
}

// Amounts in cents of a currency that has none are sent as the template says, and are
// warned of once, in a rehearsal and in a run.
func TestCentsOfAnotherCurrency(t *testing.T) {
	t.Parallel()
	api := newServer(t, nil)
	s := newShop(t, `create table invoices (id int primary key, amount numeric, currency text, pending bool default true, sent_at timestamptz);
		insert into invoices select n, 500, (array['EUR', 'JPY', 'KWD'])[1 + n % 3] from generate_series(1, 30) n`,
		"BILLING_URL="+api.URL+"/{id}", "BILLING_BODY={{cents .amount}}")
	s.batch(0, "migrate")
	for _, args := range [][]string{{"run", "--dry-run"}, {"run"}} {
		_, said := s.batch(0, args...)
		for line, want := range map[string]int{"counts JPY in cents": 1, "counts KWD in cents": 1, "BILLING_BODY counts": 2} {
			if got := strings.Count(said, line); got != want {
				t.Errorf("%q: %q stands there %d times, want %d:\n%s", args, line, got, want, said)
			}
		}
	}
}
