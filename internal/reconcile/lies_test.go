package reconcile_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/reconcile"
)

// A list that lies must cost nothing: no test here may end with an invoice that is sent
// though the list did not have it, or that would be sent again though it did.

// A download that broke off decides what is in it, and nothing as absent.
func TestAListThatWasCutOffDecidesNothingAsAbsent(t *testing.T) {
	t.Parallel()
	s := newShop(t, 0)
	s.deliver("sent", 1, 10_050)
	s.deliver("in_doubt", 10_051, 10_051)
	var text strings.Builder
	text.WriteString("id,amount,currency\n")
	for i := 1; i <= 10_000; i++ {
		fmt.Fprintf(&text, "%d,10.50,EUR\n", i)
	}
	l := s.reconcile(text.String(), lastHours)
	l.wantFigures("agreed:10000 ours_only:50 doubt_absent:1")
	if why := l.Incomplete(l.Report); !strings.Contains(why, "50 invoices missing") {
		t.Errorf("complete: %q", why)
	}
	s.execute("delete from billonce.deliveries where invoice_id between 10001 and 10050")
	// What was sent is in it by chance: but a list of ten thousand lines may be half of one.
	l = s.reconcile(text.String(), lastHours)
	l.wantFigures("agreed:10000 doubt_absent:1")
	if why := l.Incomplete(l.Report); !strings.Contains(why, "break off") {
		t.Errorf("complete: %q", why)
	}
	if err := l.resolve(); err != nil {
		t.Fatal(err)
	}
	if got := s.read("select state from billonce.deliveries where invoice_id = 10051"); got != "in_doubt" {
		t.Error(got)
	}
}

// Absent is decided only where the list has all that was sent, and it can't hide what it
// has not; and then it is a person's decision still.
func TestAbsentIsToldOnlyByAListThatHasTheRest(t *testing.T) {
	t.Parallel()
	s := newShop(t, 4)
	s.deliver("sent", 1, 3)
	s.deliver("in_doubt", 4, 4)
	const whole = "id,amount,currency\n1,10.50,EUR\n2,10.50,EUR\n3,10.50,EUR\n"
	decisions := func(l list) string {
		var out bytes.Buffer
		err := l.CSV(&out, l.Incomplete(l.Report), func(k reconcile.Kind, f func(reconcile.Found) error) error { return l.Each(t.Context(), k, 0, f) })
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	l := s.reconcile(whole, lastHours)
	if got := decisions(l); !strings.Contains(got, "\ndoubt_absent,4,1,retry,") {
		t.Errorf("no decision:\n%s", got)
	}
	s.wantLedger("1:sent 2:sent 3:sent 4:in_doubt*")
	for name, l := range map[string]list{
		"no bounds":        s.reconcile(whole),
		"one is missing":   s.reconcile("id\n1\n2\n", lastHours),
		"an id is missing": s.reconcile(whole+",10.50,EUR\n", lastHours),
		"another's id":     s.reconcile(whole+"SHOP-4,10.50,EUR\n", lastHours),
		"nothing is there": s.reconcile("id,at\n5,2020-01-01\n", lastHours),
	} {
		if why := l.Incomplete(l.Report); why == "" || strings.Contains(decisions(l), ",retry,") {
			t.Errorf("%s: %q\n%s", name, why, decisions(l))
		}
	}
	// Last month's list has nothing of tonight, in which nothing was accepted either.
	s.execute("update billonce.deliveries set first_sent_at = now() - interval '30 days' where state = 'sent'")
	if l := s.reconcile(whole, lastHours); l.Incomplete(l.Report) == "" {
		t.Error("an old list is complete")
	}
}

func TestIDsFromASpreadsheetAreRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t, 2)
	s.deliver("in_doubt", 1, 2)
	_, err := s.tryReconcile("id\n1\n1.2E+12\n2\n")
	var unreadable *reconcile.UnreadableError
	if !errors.As(err, &unreadable) || !strings.Contains(err.Error(), "line 3: ") {
		t.Errorf("%v", err)
	}
	if n := s.read("select count(*)::text from billonce.reconciliations"); n != "0" {
		t.Error("it was compared")
	}
	s.wantLedger("1:in_doubt* 2:in_doubt*")
}

func TestVoidAndRefundedLinesDecideNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, 5)
	s.deliver("sent", 1, 1)
	s.deliver("in_doubt", 2, 5)
	const text = "id,amount,currency,status\n1,10.50,EUR,paid\n2,10.50,EUR,void\n3,10.50,EUR,paid\n3,-10.50,EUR,refunded\n4,10.50,EUR,PAID\n5,10.50,EUR,\n"
	var whole *reconcile.ListError
	if _, err := s.tryReconcile(text); !errors.As(err, &whole) || !strings.Contains(err.Error(), "--acted") {
		t.Errorf("it does not ask which statuses count: %v", err)
	}
	l := s.reconcile(text, acted("paid"))
	l.wantFigures("agreed:1 decides:1 undecided:3")
	if err := l.resolve(); err != nil {
		t.Fatal(err)
	}
	s.wantLedger("1:sent 2:in_doubt* 3:in_doubt* 4:sent 5:in_doubt*")
	// Without a column of statuses a refund is a second line.
	l = s.reconcile("id,amount,currency\n1,10.50,EUR\n3,10.50,EUR\n3,-10.50,EUR\n")
	if err := l.resolve(); err != nil || l.Count(reconcile.TwiceThere) != 1 {
		t.Fatal(l.figures(), err)
	}
	s.wantLedger("1:sent 2:in_doubt* 3:in_doubt* 4:sent 5:in_doubt*")
}

func TestOneIDTwiceDecidesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, 4)
	s.deliver("sent", 1, 1)
	s.deliver("in_doubt", 2, 2)
	const text = "id,amount,currency\n1,10.50,EUR\n2,10.50,EUR\n2,10.50,EUR\n3,10.50,EUR\n3,10.50,EUR\n4,10.50,EUR\n"
	l := s.reconcile(text)
	l.wantFigures("agreed:1 theirs_only:1 twice_there:2")
	if err := l.resolve(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.adopt(); err != nil {
		t.Fatal(err)
	}
	s.wantLedger("1:sent 2:in_doubt* 4:sent")
}

func TestAnotherCurrencyOrAmountDecidesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, 6)
	s.deliver("sent", 1, 3)
	s.deliver("in_doubt", 4, 6)
	l := s.reconcile("id,amount,currency\n1,10.50,EUR\n2,10.5,eur\n3,10.500,EUR\n4,10.50,USD\n5,10.51,EUR\n6,10.50,EUR\n")
	l.wantFigures("agreed:3 amounts_differ:2 decides:1")
	if err := l.resolve(); err != nil {
		t.Fatal(err)
	}
	s.wantLedger("1:sent 2:sent 3:sent 4:in_doubt* 5:in_doubt* 6:sent")
	if _, err := s.reconcile("id,amount,currency\n4,10.50,USD\n5,10.51,EUR\n").adopt(); err == nil {
		t.Error("it was adopted")
	}
	s.wantLedger("1:sent 2:sent 3:sent 4:in_doubt* 5:in_doubt* 6:sent")
}

// Another tenant's list has our ids, since both count from 1.
func TestAnotherTenantsListIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t, 12)
	s.deliver("sent", 1, 5)
	s.deliver("in_doubt", 6, 8)
	before := s.ledger()
	s.execute("update billonce.deliveries set reply_id = 'in_' || invoice_id where state = 'sent'")
	for name, text := range map[string]string{
		"other amounts":     "id,amount\n1,99\n2,98\n3,97\n6,10.50\n7,96\n9,10\n",
		"some amounts":      "id,amount\n1,10.50\n2,99\n3,98\n4,97\n6,10.50\n",
		"other keys":        "id,key,amount\n6,9e6d3b38-eead-43ac-9dbb-a3864fcbfb52,10.50\n9,50804d73-f6be-4419-9a61-b715d2f55e5a,10.50\n",
		"other ids there":   "id,reply_id\n1,xy_1\n2,xy_2\n6,xy_6\n9,xy_9\n",
		"other ids":         "id,amount\n6,10.50\n9,10.50\n10,10.50\n",
		"no ids of our own": "id,amount\nT-1,10.50\nT-2,10.50\n",
	} {
		l := s.reconcile(text)
		for _, decide := range []func(list) error{list.resolve, func(l list) error { _, err := l.adopt(); return err }} {
			var refused *reconcile.RefusedError
			if err := decide(l); !errors.As(err, &refused) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := s.ledger(); got != before {
			t.Fatalf("%s: %s", name, got)
		}
	}
}

func TestTheSameListASecondTimeChangesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, 4)
	s.deliver("sent", 1, 1)
	s.deliver("in_doubt", 2, 2)
	const text = "id\n1\n2\n3\n"
	for range 2 {
		l := s.reconcile(text)
		if err := l.resolve(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.reconcile(text).adopt(); err != nil {
			t.Fatal(err)
		}
		s.wantLedger("1:sent 2:sent 3:sent")
	}
	if n := s.read("select count(*)::text from billonce.history"); n != "2" {
		t.Errorf("%s decisions", n)
	}
	l := s.reconcile(text)
	l.wantFigures("agreed:3")
	if _, by, err := l.Before(t.Context()); by != "eve" || err != nil {
		t.Error(by, err)
	}
}
