package desk

import (
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

// P11: whoever reads the first lines alone has read of the most money.
func TestP11TheMostMoneyIsShownFirst(t *testing.T) {
	t.Parallel()
	item := func(id, reason, amount string) OpenItem {
		return OpenItem{InvoiceID: billing.InvoiceID(id), Kind: billing.OpenInDoubt, Reason: reason, Row: Row{Amount: &amount}}
	}
	items := []OpenItem{item("1", "reset", "9.50"), item("2", "time-out", "300"), item("3", "reset", "n/a")}
	for range idsShown {
		items = append(items, item("4", "time-out", "299.99"))
	}
	items = append(items, item("5", "time-out", "10000"), item("6", "reset", "10.25"))
	var b strings.Builder
	if err := PrintOpen(&b, items); err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, want := range []string{"22 in doubt: time-out", "invoice 5\n", "invoice 2\n", "invoice 4\n", "and 2 more", "3 in doubt: reset", "invoice 6\n", "invoice 1\n", "invoice 3\n"} {
		n := strings.Index(b.String()[at:], want)
		if n < 0 {
			t.Fatalf("want %q next, after\n%s\nin\n%s", want, b.String()[:at], b.String())
		}
		at += n
	}
}
