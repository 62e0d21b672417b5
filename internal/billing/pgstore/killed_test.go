package pgstore_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// startRun records a run that never ends.
func startRun(t *testing.T, s *pgstore.Store, name, lock, application string) {
	t.Helper()
	r := pgstore.RunRecord{Name: name, Strategy: "advisory", RunLock: lock, Application: application, Version: "test"}
	if err := s.StartRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func writtenOff(t *testing.T, cfg *pgx.ConnConfig) int {
	t.Helper()
	return query[int](t, cfg, "select count(*) from billonce.runs where written_off_at is not null")
}

// P2: what a killed run left and no scan meets again, since its invoice is gone or taken
// back, comes into doubt, for a person to decide. What is still pending is recovered.
func TestP2WhatAKilledRunLeftIsFound(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 5)
	dead, run := openStore(t, cfg, "advisory")
	startRun(t, dead, "invoices", "exclusive", "billonce/gone/1")
	sending(t, dead, "1", "2", "3", "4", "5")
	settle(t, dead, billing.Settlement{InvoiceID: "4", RunID: run, Attempt: 1, RunAttempt: 1, State: billing.Retry, Doubtful: true, RetryIn: time.Hour, Reason: "HTTP 500"})
	settle(t, dead, billing.Settlement{InvoiceID: "5", RunID: run, Attempt: 1, RunAttempt: 1, State: billing.Retry, RetryIn: time.Hour, Reason: "refused"})
	execute(t, cfg, "update billonce.deliveries set deadline_at = now() - interval '1 s' where invoice_id = 4")
	execute(t, cfg, "update invoices set pending = false where id in (1, 4, 5); delete from invoices where id = 2")

	next, _ := openStore(t, cfg, "advisory")
	startRun(t, next, "invoices", "exclusive", "test")
	next.WriteOff(t.Context(), "invoices", true)
	if got, want := ledger(t, cfg), "1:in_doubt 2:in_doubt 3:sending 4:in_doubt 5:retry"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := writtenOff(t, cfg); n != 1 {
		t.Errorf("%d runs are written off, want the killed one", n)
	}
	// Its late reply, should it still come, decides.
	settle(t, dead, sent(run, "1"))
	if got := query[string](t, cfg, "select state from billonce.deliveries where invoice_id = 1"); got != "sent" {
		t.Errorf("after the late reply invoice 1 is %s, want sent", got)
	}
}

// A run that may still act is not written off: its application is connected, or a
// request of it may be on its way.
func TestP2RunsThatMayActAreNotWrittenOff(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	for application, id := range map[string]billing.InvoiceID{"test": "", "billonce/away/1": "1"} {
		s, _ := openStore(t, cfg, "advisory")
		startRun(t, s, "invoices", "shared", application)
		if application != "test" { // this connection's own name is what is recorded
			execute(t, cfg, "update billonce.runs set application = '"+application+"' where number = (select max(number) from billonce.runs)")
		}
		if id != "" {
			sending(t, s, id)
		}
	}
	next, _ := openStore(t, cfg, "advisory")
	startRun(t, next, "invoices", "shared", "billonce/next/1")
	next.WriteOff(t.Context(), "invoices", false)
	if n := writtenOff(t, cfg); n != 0 {
		t.Errorf("%d runs are written off, want none", n)
	}
	execute(t, cfg, "update billonce.deliveries set deadline_at = now() - interval '1 s'")
	next.WriteOff(t.Context(), "invoices", false)
	if n := writtenOff(t, cfg); n != 1 {
		t.Errorf("past its last deadline %d runs are written off, want the one that is away", n)
	}
}

// P2: what a run leaves `sending`, until its request can no longer arrive, is not lost
// where its invoice is deleted meanwhile: the run itself finds it as it ends, or else the
// next one does.
func TestP2WhatIsLeftSendingIsFound(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 2)
	s, _ := openStore(t, cfg, "advisory")
	startRun(t, s, "invoices", "exclusive", "test")
	sending(t, s, "1", "2")
	execute(t, cfg, "delete from invoices where id = 1")
	s.FindLeftOver(t.Context())
	if got, want := ledger(t, cfg), "1:in_doubt 2:sending"; got != want {
		t.Errorf("as it ends: %s, want %s", got, want)
	}
	if err := s.FinishRun(t.Context(), billing.ExitStopped, billing.Summary{LeftSending: true}); err != nil {
		t.Fatal(err)
	}

	execute(t, cfg, "delete from invoices where id = 2")
	next, _ := openStore(t, cfg, "advisory")
	startRun(t, next, "invoices", "exclusive", "test")
	next.WriteOff(t.Context(), "invoices", true)
	if got, want := ledger(t, cfg), "1:in_doubt 2:in_doubt"; got != want {
		t.Errorf("as the next one begins: %s, want %s", got, want)
	}
}

// P11: a row on which INVOICES_PENDING fails counts as pending, and hides nothing of what
// else was left.
func TestP11WhatIsLeftIsFoundBesideARowThatFails(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 3)
	b := parsed(t, book.Settings{Schema: "billonce", Invoices: "invoices", ID: "id", Pending: "pending and 1 / (id - 3) is not null", MarkSent: "pending = false"})
	s, _ := openBook(t, cfg, b, "advisory")
	startRun(t, s, "invoices", "exclusive", "test")
	sending(t, s, "1", "2", "3")
	execute(t, cfg, "delete from invoices where id = 1")
	s.FindLeftOver(t.Context())
	if got, want := ledger(t, cfg), "1:in_doubt 2:sending 3:sending"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
