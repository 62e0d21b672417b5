package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
	books "github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk/pgdesk"
)

// A prune that is interrupted says how far it came, and what to do.
func TestPruneInterrupted(t *testing.T) {
	t.Parallel()
	b := newBook(t, 1, billingfake.Config{})
	book := pgstore.DeskBook{Book: books.Demo()}
	d, err := pgdesk.Open(t.Context(), b.config(), book)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close(context.WithoutCancel(t.Context())) })
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	err = app{stdout: io.Discard, stderr: io.Discard}.prune(ctx, d, 400*24*time.Hour, false)
	if !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "; until then 0 of 0 deliveries were removed: run it again to go on") {
		t.Errorf("it says: %v", err)
	}
}
