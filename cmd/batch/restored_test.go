package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
)

// P1, P12: a backup from before the last run is restored, and the API has no keys. What
// the provider's list has is adopted, also what the restored ledger calls `retry`; then the
// database is accepted, and the next run bills nobody a second time and forgets nobody.
func TestP12AdoptAfterARestoredBackup(t *testing.T) {
	t.Parallel()
	var throttles atomic.Bool
	throttles.Store(true)
	b := newBook(t, 4, billingfake.Config{Fault: func(r billingfake.Received) billingfake.Fault {
		if throttles.Load() && (r.Invoice == "3" || r.Invoice == "4") {
			return billingfake.ReplyStatus{Status: 429}
		}
		return nil
	}})
	const more = "insert into public.invoices (customer, amount_cents, currency, due_date) select 'c', 1, 'EUR', '2026-01-01' from generate_series(1, %d)"
	b.env["LINGER"] = "0s"
	b.start().wantExit(billing.ExitStopped)
	b.wantStates("retry/true=2 sent/false=2")
	b.execute(fmt.Sprintf(more, 4))
	here := b.url
	b.moveTo(query[string](b, "select current_database()") + "_backup")
	restored := b.url
	b.url, b.env["DATABASE_URL"] = here, here
	throttles.Store(false)
	delete(b.env, "LINGER")
	b.start().wantExit(billing.ExitDone) // the last one before the loss
	b.wantStates("sent/false=8")

	b.url, b.env["DATABASE_URL"] = restored, restored
	b.wantStates("none/true=4 retry/true=2 sent/false=2")
	b.execute(fmt.Sprintf(more, 2))
	b.start().wantExit(billing.ExitRefused)
	b.adopt(10)
	b.start().wantExit(billing.ExitDone)
	b.wantStates("sent/false=10")
	if sum := b.api.Summary(); sum.Effects != 10 || len(sum.Duplicates) != 0 {
		t.Errorf("%+v, want ten effects", sum)
	}
}

// adopt holds the API's own list of the first invoices against the ledger, takes over what
// the ledger has forgotten, and accepts the database.
func (b *book) adopt(invoices int) {
	b.t.Helper()
	list := []string{"id"}
	for n := 1; n <= invoices; n++ {
		if id := fmt.Sprint(n); b.api.Invoice(id).Effects > 0 {
			list = append(list, id)
		}
	}
	// What may still be on its way is not decided by a list: it is named, with exit code 3.
	if code, out := b.tries("reconcile", file(b.t, []byte(strings.Join(list, "\n"))), "--adopt", "--yes"); code != billing.ExitDone && code != billing.ExitPerson {
		b.t.Errorf("batch reconcile: exit code %d\n%s", code, out)
	}
	b.command("resume", "--accept-database", "--reason", "the list is adopted")
}
