package pgdesk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
)

// P11: all that waits for a person is listed, with the most money first, and how it is
// decided.
func TestP11StatusListsAllThatIsOpen(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 6)
	settledAs(t, cfg, billing.Failed, "1", "2", "3")
	inDoubt(t, cfg, "4")
	execute(t, cfg, `update billonce.deliveries set error = 'HTTP 402 no card ' || invoice_id, amount = 5, currency = 'EUR' where state = 'failed';
		update billonce.deliveries set amount = 99.90, currency = 'EUR' where state = 'in_doubt';
		update invoices set pending = false where id = 3;
		update invoices set amount_cents = 1 where id = 6;
		insert into billonce.set_aside (invoice_id, reason, run_id) values (6, 'column note is NULL', gen_random_uuid())`)
	d := openDesk(t, cfg)
	items, err := d.OpenItems(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := desk.PrintOpen(&b, items); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(b.String(), "\n") {
		if !strings.HasPrefix(line, "  the oldest") && !strings.Contains(line, "batch ") && !strings.HasPrefix(line, "    ") {
			lines = append(lines, line)
		}
	}
	want := `1 in doubt: seen: HTTP 500
  together 99.90 EUR
  invoice 4
2 failed: HTTP 402 no card 1
  together 10 EUR
  invoice 1
  invoice 2
1 set aside: column note is NULL
  together 0.01 EUR
  invoice 6
`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for _, i := range items {
		if (i.Kind == billing.OpenSetAside) != (i.State == nil && i.Attempt == nil) || i.Since.IsZero() {
			t.Errorf("%+v", i)
		}
	}
}

// P11: the status has the number that the last run counted, less what was decided since.
func TestP11StatusHasTheLastRunsNumber(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 5)
	settledAs(t, cfg, billing.Failed, "1", "2", "3")
	inDoubt(t, cfg, "4")
	s, _ := openStore(t, cfg, "advisory")
	if err := s.StartRun(t.Context(), pgstore.RunRecord{Name: "invoices", Strategy: "advisory", RunLock: "off", Application: "gone"}); err != nil {
		t.Fatal(err)
	}
	o, err := s.CountOpen(t.Context(), billing.PendingAgain{})
	if err != nil {
		t.Fatal(err)
	}
	var summary billing.Summary
	summary.CountOpen(o)
	if err := s.FinishRun(t.Context(), billing.ExitPerson, summary); err != nil {
		t.Fatal(err)
	}
	d := openDesk(t, cfg)
	resolve(t, d, read(t, d, "1"), billing.Retry)
	resolve(t, d, read(t, d, "2"), billing.Cancelled)
	st, err := pgdesk.ReadStatus(t.Context(), pgdesk.StatusConfig{Conn: cfg, Book: demoBook(), RunName: "invoices"})
	if err != nil {
		t.Fatal(err)
	}
	if st.Open == nil || st.Open.Count != 2 || st.Open.Decided != 2 || !st.Open.At.Equal(o.At) {
		t.Errorf("%+v, want 2 open and 2 decided since %s", st.Open, o.At)
	}
}

// What last night sent is listed by its run, or by the time.
func TestStatusListsWhatWasSent(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	s, run := openStore(t, cfg, "advisory")
	sending(t, s, "1", "2")
	settle(t, s, sent(run, "1"))
	d := openDesk(t, cfg)
	for name, c := range map[string]struct {
		run   string
		since time.Time
		want  string
	}{
		"its run":     {run.String(), time.Time{}, "1"},
		"another run": {"00000000-0000-0000-0000-000000000001", time.Time{}, ""},
		"since":       {"", time.Now().Add(-time.Hour), "1"},
		"later":       {"", time.Now().Add(time.Hour), ""},
	} {
		got := ""
		err := d.Sent(t.Context(), c.run, c.since, func(s desk.SentItem) error {
			got += string(s.InvoiceID)
			return nil
		})
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}
