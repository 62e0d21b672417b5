package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"billonce/internal/billing/billingfake"
	books "billonce/internal/billing/book"
	"billonce/internal/billing/pgstore"
)

// A prune that is interrupted says how far it came: its pages are committed.
func TestPruneInterrupted(t *testing.T) {
	t.Parallel()
	b := newBook(t, 1, billingfake.Config{})
	b.execute(`insert into billonce.deliveries (invoice_id, state, attempt, run_attempt, idempotency_key, body_sha256, run_id, first_sent_at, updated_at, deadline_at)
		select n, 'sent', 1, 1, gen_random_uuid(), sha256(''), gen_random_uuid(), now(), now() - interval '401 days', now() from generate_series(1001, 3000) n`)
	store, err := pgstore.Open(t.Context(), pgstore.Config{Conn: b.config(), Book: books.Demo(), Strategy: "advisory"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.WithoutCancel(t.Context())) })
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	pruned, err := store.Prune(ctx, 400*24*time.Hour, func(pgstore.Pruned) { interrupt() })
	if pruned.Removed != 1000 || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", pruned, err)
	}
	if left := query[int](b, "select count(*)::int from billonce.deliveries"); left != 1000 {
		t.Errorf("%d are left", left)
	}
	err = app{stdout: io.Discard, stderr: io.Discard}.prune(ctx, store, 400*24*time.Hour, false)
	if !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "; until then 0 of 0 deliveries were removed: run it again to go on") {
		t.Errorf("it says: %v", err)
	}
}
