package pgdesk_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// A prune that is interrupted says how far it came: its pages are committed.
func TestPruneInterrupted(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 1)
	execute(t, cfg, `insert into billonce.deliveries (invoice_id, state, attempt, run_attempt, idempotency_key, body_sha256, run_id, first_sent_at, updated_at, deadline_at)
		select n, 'sent', 1, 1, gen_random_uuid(), sha256(''), gen_random_uuid(), now(), now() - interval '401 days', now() from generate_series(1001, 3000) n`)
	d := openDesk(t, cfg)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	pruned, err := d.Prune(ctx, 400*24*time.Hour, func(desk.Pruned) { interrupt() })
	if pruned.Removed != 1000 || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", pruned, err)
	}
	if left := query[int](t, cfg, "select count(*)::int from billonce.deliveries"); left != 1000 {
		t.Errorf("%d are left", left)
	}
	pruned, err = d.Prune(t.Context(), 400*24*time.Hour, func(desk.Pruned) {})
	if pruned.Removed != 1000 || err != nil {
		t.Errorf("again: %+v, %v", pruned, err)
	}
}

// P2: what could be sent again stays. A predicate may depend on the time: what is not
// pending today may be tomorrow, if nobody marked it.
func TestP2PruneKeepsWhatCouldBeSentAgain(t *testing.T) {
	t.Parallel()
	cfg := seeded(t, 4)
	s, run := settledAs(t, cfg, billing.InDoubt, "1", "2", "3", "4")
	settle(t, s, sent(run, "1"))
	execute(t, cfg, "update invoices set pending = false where id in (2, 3, 4)")
	d := openDesk(t, cfg)
	execute(t, cfg, deadlinePasses)
	for id, to := range map[billing.InvoiceID]billing.State{"2": billing.Cancelled, "3": billing.Sent} {
		resolve(t, d, read(t, d, id), to)
	}
	settle(t, s, sent(run, "4"))
	execute(t, cfg, "update billonce.deliveries set updated_at = now() - interval '401 days'")
	if _, err := d.Prune(t.Context(), 400*24*time.Hour, func(desk.Pruned) {}); err != nil {
		t.Fatal(err)
	}
	if got, want := ledger(t, cfg), "2:cancelled 3:sent 4:sent"; got != want {
		t.Errorf("%s are left, want %s", got, want)
	}
}
