package reconcile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/reconcile"
)

func TestTheReportTellsWhatDiffers(t *testing.T) {
	t.Parallel()
	s := newShop(t, 20)
	s.deliver("sent", 1, 6)
	s.deliver("unmarked", 7, 7)
	s.deliver("in_doubt", 8, 10)
	s.deliver("failed", 11, 12)
	s.deliver("cancelled", 13, 13)
	s.deliver("sending", 14, 14)
	s.deliver("retry", 15, 16)
	s.execute("update billonce.deliveries set reply_id = 'in_6' where invoice_id = 6")
	l := s.reconcile(`id,reply_id,amount,currency
1,,10.50,EUR
2,,11.00,EUR
3,,10.50,EUR
3,,10.50,EUR
,in_6,10.50,EUR
7,,10.50,EUR
8,,10.50,EUR
9,,10.50,USD
11,,10.50,EUR
13,,10.50,EUR
14,,10.50,EUR
15,,10.50,EUR
99,,1.05,CHF
`)
	l.wantFigures("agreed:3 theirs_only:4 ours_only:2 twice_there:1 amounts_differ:2 decides:1 doubt_absent:1 under_way:1")
	if sums := l.Figures[reconcile.TheirsOnly].Sums; len(sums) != 2 || sums[0] != (reconcile.Sum{Currency: "CHF", Count: 1, Theirs: "1.05"}) || sums[1].Theirs != "31.50" {
		t.Errorf("%+v", sums)
	}
	var text, asJSON bytes.Buffer
	if err := l.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"99 ", "line 14, no delivery here, 1.05 CHF", "line 11, cancelled here", "10.50 EUR here, 11.00 EUR there"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	err := l.JSON(&asJSON, func(k reconcile.Kind, f func(reconcile.Found) error) error { return l.Each(t.Context(), k, 0, f) })
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Agreed     struct{ Count int }
		OursOnly   struct{ IDs []string } `json:"ours_only"`
		TheirsOnly struct{ IDs []string } `json:"theirs_only"`
	}
	if err := json.Unmarshal(asJSON.Bytes(), &read); err != nil {
		t.Fatalf("%v in %s", err, asJSON.String())
	}
	if read.Agreed.Count != 3 || strings.Join(read.OursOnly.IDs, " ") != "4 5" || strings.Join(read.TheirsOnly.IDs, " ") != "11 13 15 99" {
		t.Errorf("%+v", read)
	}
	if got := s.read("select made_by || ' ' || file || ' ' || octet_length(file_sha256) || ' ' || (figures -> 'kinds' -> 'agreed' ->> 'count') from billonce.reconciliations"); got != "eve list.csv 32 3" {
		t.Errorf("kept: %s", got)
	}
}

// Pairs match whatever their times; what has none is bounded.
func TestBoundsAreOfWhatHasNoPair(t *testing.T) {
	t.Parallel()
	s := newShop(t, 4)
	s.deliver("sent", 1, 3)
	s.execute("update billonce.deliveries set first_sent_at = now() - interval '30 days' where invoice_id in (1, 2)")
	l := s.reconcile("id,at\n1,2020-01-01\n3,2020-01-01\n98,2020-01-01\n99,"+time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)+"\n", lastHours)
	l.wantFigures("agreed:2 theirs_only:1")
}

// What was sent again on purpose has two effects there. Only the key tells them apart.
func TestAfterAgainOnlyTheKeyCounts(t *testing.T) {
	t.Parallel()
	s := newShop(t, 3)
	s.deliver("sent", 1, 1)
	s.deliver("in_doubt", 2, 3)
	s.execute("update billonce.deliveries set key_version = 2, reply_id = 'in_' || invoice_id where invoice_id > 1")
	l := s.reconcile("id,reply_id\n1,\n2,in_2\n")
	l.wantFigures("agreed:1 doubt_absent:1 earlier:1")
	if err := l.resolve(); err != nil {
		t.Fatal(err)
	}
	s.wantLedger("1:sent 2:in_doubt* 3:in_doubt*")
	l = s.reconcile("id,key\n1,\n2," + s.read("select idempotency_key::text from billonce.deliveries where invoice_id = 2") + "\n")
	if err := l.resolve(); err != nil {
		t.Fatal(err)
	}
	s.wantLedger("1:sent 2:sent 3:in_doubt*")
}

// What may still be on its way, and what changed since it was compared, is left.
func TestResolveLeavesWhatIsNotYetDecided(t *testing.T) {
	t.Parallel()
	s := newShop(t, 3)
	s.deliver("in_doubt", 1, 3)
	s.execute("update billonce.deliveries set deadline_at = now() + interval '1 hour' where invoice_id = 1")
	l := s.reconcile("id\n1\n2\n3\n")
	s.execute("update billonce.deliveries set attempt = 2 where invoice_id = 2")
	if err := l.resolve(); err != nil {
		t.Fatal(err)
	}
	s.wantLedger("1:in_doubt* 2:in_doubt* 3:sent")
	if got := s.read("select (figures -> 'decided' ->> 'done') || ' ' || (figures -> 'decided' ->> 'left') || decided from billonce.reconciliations"); got != "1 2resolve" {
		t.Error(got)
	}
	if got := s.read("select decided_by || reason from billonce.history where kind = 'decision'"); !strings.HasPrefix(got, "evethe provider's list list.csv, SHA-256 ") || !strings.HasSuffix(got, ": line 4") {
		t.Error(got)
	}
}

// With another INVOICES_MARK_SENT than the runs have, invoices would be marked otherwise.
func TestDecisionsNeedTheSettingsOfTheRuns(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	s.deliver("in_doubt", 1, 1)
	s.execute(`insert into billonce.runs (run_id, name, lock_strategy, run_lock, application, version, program, settled_at, mark_sent_sha256, pending_sha256)
		values (gen_random_uuid(), 'invoices', 'advisory', 'exclusive', 'a', '1', 4, now(), sha256('pending = false, sent_at = now()'), sha256('pending'))`)
	for variable, other := range map[string]func(*reconcile.Config){
		"INVOICES_MARK_SENT": func(c *reconcile.Config) { c.MarkSent = "pending = false" },
		"INVOICES_PENDING":   func(c *reconcile.Config) { c.Pending = "true" },
	} {
		if err := s.reconcile("id\n1\n", other).resolve(); !errors.Is(err, desk.ErrMarking) || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s: %v", variable, err)
		}
	}
	s.wantLedger("1:in_doubt*")
	if err := s.reconcile("id\n1\n").resolve(); err != nil {
		t.Error(err)
	}
	s.wantLedger("1:sent")
}

// After a restored backup the list is what the ledger has forgotten.
func TestP12AdoptWritesWhatTheLedgerForgot(t *testing.T) {
	t.Parallel()
	s := newShop(t, 12)
	s.deliver("sent", 1, 1)
	s.deliver("retry", 2, 2)
	s.deliver("failed", 3, 3)
	s.deliver("submitted", 4, 4)
	s.deliver("in_doubt", 5, 5)
	s.deliver("sending", 6, 7)
	s.deliver("cancelled", 8, 8)
	s.deliver("unmarked", 9, 9)
	s.execute(`update billonce.deliveries set deadline_at = now() - interval '10 seconds' where invoice_id = 7;
		insert into billonce.set_aside (invoice_id, reason, run_id) values (10, 'x', gen_random_uuid());
		delete from invoices where id = 11`)
	l := s.reconcile("id,reply_id,amount,currency,at\n1,,,,\n2,,,,\n3,,,,\n4,,,,\n5,,,,\n6,,,,\n7,,,,\n8,,,,\n9,,,,\n10,in_10,7.00,EUR,2026-01-31T10:00:00Z\n11,,,,\n")
	adopted, err := l.adopt()
	if err != nil {
		t.Fatal(err)
	}
	s.wantLedger("1:sent 2:sent 3:sent 4:sent 5:sent 6:sent 7:sending* 8:cancelled* 9:unmarked* 10:sent 11:sent")
	if adopted.Done != 7 || adopted.Left != 1 || adopted.Unmarked != 0 {
		t.Errorf("%+v", adopted)
	}
	if got := s.read("select count(*) || ' ' || count(distinct invoice_id) from billonce.history where kind = 'decision' and decision = 'sent'"); got != "7 7" {
		t.Errorf("decisions %s", got)
	}
	if got := s.read("select (select count(*) from billonce.set_aside) || ' ' || reply_id || ' ' || amount || currency || ' ' || (first_sent_at = '2026-01-31T10:00:00Z') from billonce.deliveries where invoice_id = 10"); got != "0 in_10 7.00EUR true" {
		t.Error(got)
	}
	key := s.read("select l.id::text from billonce.ledger l")
	if want := billing.NewKey(parse(t, key), "10").Text; s.read("select idempotency_key::text from billonce.deliveries where invoice_id = 10") != want {
		t.Errorf("its key is not %s", want)
	}
	if open := s.read("select count(*)::text from billonce.deliveries where (open_state is not null) <> (state in ('unmarked', 'failed', 'retry', 'submitted', 'in_doubt'))"); open != "0" {
		t.Error("open_state is wrong")
	}
}

// Whose row is held, or refused, is unmarked: sent to nobody, and marked later.
func TestP12AdoptLeavesNoInvoiceToBeSentAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t, 8)
	s.execute(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'month is closed'; end $$;
		create trigger refuse before update on invoices for each row when (old.id = 7) execute function refuse()`)
	conn, err := pgx.ConnectConfig(t.Context(), s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "begin; update invoices set customer = 'x' where id = 3"); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("id\n")
	for i := range 8 {
		text.WriteString(strings.Repeat("0", i%2) + strconv.Itoa(i+1) + "\n")
	}
	adopted, err := s.reconcile(text.String()).adopt()
	if err != nil || adopted.Done != 8 || adopted.Unmarked != 2 {
		t.Fatalf("%+v, %v", adopted, err)
	}
	if got := s.read("select string_agg(invoice_id || ' ' || error, '; ' order by invoice_id) from billonce.deliveries where state = 'unmarked'"); got != "3 another session holds the invoice's row; 7 month is closed (SQLSTATE P0001)" {
		t.Error(got)
	}
	if got := s.read("select count(*) || ' ' || (select count(*) from invoices where pending) from billonce.deliveries where state = 'sent'"); got != "6 2" {
		t.Error(got)
	}
}

// What was never tried has its amount in its invoice's row: a list that names another one
// is about something else, and adopts nothing.
func TestP12AdoptComparesWhatTheInvoiceBills(t *testing.T) {
	t.Parallel()
	s := newShop(t, 5)
	s.execute("update invoices set amount_cents = 1050, currency = 'EUR'")
	settings := book.Settings{
		Schema: "billonce", Invoices: "invoices", ID: "id", Pending: "pending", MarkSent: "pending = false, sent_at = now()",
		Amount: "amount_cents", Currency: "currency",
	}
	b, faults := book.Parse(settings)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	l := s.reconcile("id,amount,currency\n1,10.50,EUR\n2,10.51,EUR\n3,10.5,USD\n4,,\n5,1050,\n", func(c *reconcile.Config) {
		c.Book = pgstore.DeskBook{Book: b}
	})
	adopted, err := l.adopt()
	if err != nil || adopted.Done != 2 || adopted.Left != 3 {
		t.Errorf("%+v, %v, want two adopted and three left", adopted, err)
	}
	s.wantLedger("1:sent 4:sent")
}
