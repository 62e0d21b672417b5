package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"billonce/internal/billing"
	"billonce/internal/billing/billingfake"
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
	list := filepath.Join(t.TempDir(), "list.csv")
	file, err := os.Create(list)
	if err != nil {
		t.Fatal(err)
	}
	lines := csv.NewWriter(file)
	_ = lines.Write([]string{"id"})
	for n := 1; n <= 10; n++ {
		if id := fmt.Sprint(n); b.api.Invoice(id).Effects > 0 {
			_ = lines.Write([]string{id})
		}
	}
	lines.Flush()
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	b.command("reconcile", list, "--adopt", "--yes")
	b.command("resume", "--accept-database", "--reason", "the list is adopted")
	b.start().wantExit(billing.ExitDone)
	b.wantStates("sent/false=10")
	if sum := b.api.Summary(); sum.Effects != 10 || len(sum.Duplicates) != 0 {
		t.Errorf("%+v, want ten effects", sum)
	}
}
