package main

import (
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
			"no request can be made of this invoice: set aside, and left pending": 8,
			"has a fraction of a cent; round it":                                  3,
			"is NULL; write {{if .column}} around it":                             2,
			"is no amount; one is written as 12.30":                               3,
			"8 whose requests can't be built":                                     1,
		} {
			if got := strings.Count(said, line); got != n {
				t.Errorf("%q stands there %d times, want %d:\n%s", line, got, n, said)
			}
		}
		s.wants("select (select string_agg(id::text, ' ' order by id) from invoices where pending) || ', ' || (select string_agg(invoice_id::text, ' ' order by invoice_id) from billonce.deliveries)",
			"3 4 5 6 7 8 9 10, 1 2")
	})
}
