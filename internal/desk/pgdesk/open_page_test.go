package pgdesk_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/sql"
)

// A page of what is open follows the other, each invoice once, the most money first, and
// what is no longer pending is left out.
func TestOpenPages(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 9)
	settledAs(t, cfg, billing.Failed, "1", "2", "3", "4", "5", "6", "7")
	execute(t, cfg, `update billonce.deliveries set amount = case when invoice_id < 6 then invoice_id / 2 end, currency = 'EUR', error = 'HTTP 402 50% of ' || invoice_id;
		update billonce.deliveries set error = 'HTTP 404' where invoice_id = 7;
		update invoices set pending = false where id in (2, 4, 5)`)
	d := openDesk(t, cfg)
	for _, c := range []struct{ reason, want string }{
		{"", "3 1 6 7"},
		{"HTTP 402 50% of 99", "3 1 6"},
		{"HTTP 402 50_ of 99", ""},
	} {
		var got []string
		part := desk.OpenPart{Kind: billing.OpenFailed, Reason: c.reason, Limit: 2}
		for range 10 {
			page, err := d.OpenPage(t.Context(), part)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range page.Items {
				got = append(got, string(i.InvoiceID))
			}
			if part.After = page.Next; page.Next == nil {
				break
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%q: %s, want %s", c.reason, text, c.want)
		}
	}
}

// Each kind has its pages; what was decided since a run found it is not in them.
func TestOpenPagesOfEachKind(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 9)
	settledAs(t, cfg, billing.InDoubt, "1")
	settledAs(t, cfg, billing.Retry, "2", "3")
	settledAs(t, cfg, billing.Sent, "4")
	execute(t, cfg, `update billonce.deliveries set retry_since = now() - interval '3 days' where invoice_id = 2;
		insert into billonce.pending_again (invoice_id, reason, run_id) select id, 'again', gen_random_uuid() from generate_series(3, 5) id;
		insert into billonce.set_aside (invoice_id, reason, run_id) select id, 'no name', gen_random_uuid() from (values (4), (6)) v (id);
		update invoices set pending = true where id = 4`)
	d := openDesk(t, cfg)
	read, last, err := d.OpenRead(t.Context())
	if err != nil || last != nil {
		t.Fatal(last, err)
	}
	var got []string
	for _, r := range read {
		page, err := d.OpenPage(t.Context(), desk.OpenPart{Kind: r.Kind, Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Items {
			got = append(got, fmt.Sprintf("%s %s", i.Kind, i.InvoiceID))
		}
		if len(page.Items) != len(r.Items) || r.More || page.Next != nil {
			t.Errorf("%s: %d on the page, %d grouped", r.Kind, len(page.Items), len(r.Items))
		}
	}
	if text := strings.Join(got, ", "); text != "in_doubt 1, pending_again 4, retry 2, set_aside 6" {
		t.Error(text)
	}
}

// A page costs as much as there is on it: the ledger is read in the order of its index.
func TestAPageOfWhatIsOpenIsReadByItsIndex(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3000)
	execute(t, cfg, `insert into billonce.deliveries (invoice_id, idempotency_key, run_id, attempt, run_attempt, first_sent_at, deadline_at,
			updated_at, state, open_state, due_at, retry_since, amount)
		select id, gen_random_uuid(), gen_random_uuid(), 1, 1, now(), now(), now(), s, s, case s when 'retry' then now() end,
			case s when 'retry' then now() end, id % 100 from invoices, (values (0, 'in_doubt'), (1, 'failed'), (2, 'retry')) v (n, s) where id % 3 = n;
		analyze billonce.deliveries`)
	n := sql.Names{Schema: "billonce", Invoices: "invoices", ID: "id", KeyType: "bigint", Pending: "pending"}
	for _, kind := range []string{"in_doubt", "failed", "retry"} {
		for flag, args := range map[string][]any{"": {kind, 51, nil}, "after": {kind, 51, "HTTP %", "-50", "100"}} {
			text, err := sql.Query("open_page", n, kind, flag)
			if err != nil {
				t.Fatal(err)
			}
			plan := explain(t, cfg, text, args...)
			part, _, _ := strings.Cut(plan[strings.Index(plan, "CTE part"):], "Sort")
			if !strings.Contains(part, "Index Scan using deliveries_open_idx") || strings.Contains(plan, "Seq Scan on deliveries") ||
				flag == "after" && !strings.Contains(part, "ROW(COALESCE") {
				t.Errorf("%s %s:\n%s", kind, flag, plan)
			}
		}
	}
}
