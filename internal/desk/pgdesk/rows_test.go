package pgdesk_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
)

// showing is the demo's book with INVOICES_SHOW and INVOICES_LINK.
func showing(t *testing.T, show, link string) pgstore.DeskBook {
	t.Helper()
	b, faults := book.Parse(book.Settings{
		Schema: "billonce", Invoices: "invoices", ID: "id", Pending: "pending", MarkSent: "pending = false, sent_at = now()", Show: show, Link: link,
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	b.Secret = billinghttp.IsSecret(billinghttp.Config{Headers: "X-Api-Key: {tenant}"})
	return pgstore.DeskBook{Book: b}
}

// A person sees whom an invoice is for and what it bills, wherever it is listed, and where
// to look; no secret, unless it is asked for, and no document.
func TestP11PeopleSeeTheInvoice(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	execute(t, cfg, `alter table invoices alter column due_date drop not null, add column tenant text default 'hush', add column portal_token text default 'hush', add column page jsonb default '{"a": 1}';
		update invoices set customer = 'Ada ' || id, amount_cents = 1200 + id, due_date = null`)
	inDoubt(t, cfg, "1", "2")
	execute(t, cfg, `update billonce.deliveries set reply_id = 'in_1/x?' where invoice_id = 1;
		delete from invoices where id = 2`)
	rows := func(b pgstore.DeskBook) (list []desk.Row) {
		d, err := pgdesk.Open(t.Context(), pgstore.Unprepared(cfg), b)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close(context.Background())
		items, err := d.OpenItems(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		deliveries, err := d.Open(t.Context(), billing.InDoubt)
		if err != nil {
			t.Fatal(err)
		}
		for i := range items {
			h, err := d.History(t.Context(), items[i].InvoiceID)
			if err != nil || !cmp.Equal(items[i].Row, deliveries[i].Row) || !cmp.Equal(items[i].Row, h.Row) {
				t.Errorf("they differ: %+v, %+v, %+v, %v", items[i].Row, deliveries[i].Row, h.Row, err)
			}
			list = append(list, items[i].Row)
		}
		return list
	}
	amount, currency := "12.01", "EUR"
	want := []desk.Row{
		{Amount: &amount, Currency: &currency, Shown: []desk.Shown{{Name: "customer", Value: "Ada 1"}, {Name: "due_date"}}, Link: "https://api.example/in_1%2Fx%3F"},
		{Shown: []desk.Shown{{Name: "customer"}, {Name: "due_date"}}}, // deleted, and its reply was lost
	}
	if diff := cmp.Diff(want, rows(showing(t, "", "https://api.example/{reply_id}"))); diff != "" {
		t.Error(diff)
	}
	asked := rows(showing(t, "tenant,\n PAGE", "https://api.example/{customer}/#{idempotency_key}"))
	if diff := cmp.Diff([]desk.Shown{{Name: "tenant", Value: "hush"}, {Name: "page", Value: `{"a": 1}`}}, asked[0].Shown); diff != "" {
		t.Error(diff)
	}
	if link := asked[0].Link; !strings.HasPrefix(link, "https://api.example/Ada%201/#") || len(link) < 50 || asked[1].Link != "" {
		t.Errorf("%q, %q", link, asked[1].Link)
	}
}

// A row that makes its view fail is listed without what it says.
func TestP11ARowThatFailsHidesNoOther(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	inDoubt(t, cfg, "1", "2", "3")
	execute(t, cfg, `alter table invoices rename to bills; update bills set amount_cents = 0 where id = 2;
		create view invoices as select id, customer, 1 / amount_cents as inverse, amount_cents, currency, pending, sent_at from bills`)
	items, err := openDesk(t, cfg).OpenItems(t.Context())
	if err != nil || len(items) != 3 {
		t.Fatal(items, err)
	}
	for _, i := range items {
		if said := i.Shown[0].Value != ""; said != (i.InvoiceID != "2") {
			t.Errorf("invoice %s: %+v", i.InvoiceID, i.Row)
		}
	}
}

// When an attempt began, and that its runner has gone, is read of the ledger.
func TestP11TheEvidenceIsRead(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	_, run := inDoubt(t, cfg, "1", "2")
	execute(t, cfg, `update billonce.deliveries set first_sent_at = '2026-03-01 03:00:00Z', updated_at = '2026-03-01 03:15:32Z', http_status = null, error = 'why';
		update billonce.deliveries set attempt = 2 where invoice_id = 2;
		update billonce.history set recorded_at = '2026-03-01 03:15:00Z';
		insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version) values ('`+run.String()+`', 'invoices', 'advisory', 'shared', 'billonce/gone', '1')`)
	d := openDesk(t, cfg)
	story := func(id billing.InvoiceID) string {
		t.Helper()
		all, err := d.Deliveries(t.Context(), []billing.InvoiceID{id})
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []*time.Time{&all[0].FirstSentAt, &all[0].UpdatedAt, all[0].BegunAt, all[0].RunGoneAt} {
			if at != nil {
				*at = at.UTC()
			}
		}
		return all[0].Story()
	}
	const gone = "03:15:32 no reply was written down: runner gone was found to be killed or cut off; 03:15:32 in doubt: why"
	if got, want := story("1"), "2026-03-01 03:00:00 UTC sent; "+gone; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got, want := story("2"), "2026-03-01 03:00:00 UTC first sent; 03:15:00 attempt 2 sent; "+gone; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	execute(t, cfg, `update billonce.runs set written_off_at = '2026-03-01 03:15:20Z', written_off_by = run_id`)
	if got, want := story("1"), "2026-03-01 03:00:00 UTC sent; "+strings.Replace(gone, "03:15:32", "03:15:20", 1); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	execute(t, cfg, `update billonce.runs set written_off_at = null, written_off_by = null, application = 'test'`)
	if got, want := story("1"), "2026-03-01 03:00:00 UTC sent; 03:15:32 in doubt: why"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
