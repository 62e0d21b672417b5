package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// A server with a tiny lock table: claims of 500 invoices would fill it for
// everybody. The runners take their share, and others never go without.
func TestTinyLockTable(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		const invoices = 3000
		server := pgtest.Server(t, map[string]string{
			"max_connections": "20", "max_locks_per_transaction": "10", "max_wal_senders": "0",
		})
		b := newBookAt(t, server.URL("postgres"), invoices, billingfake.Config{Idempotent: true})
		ended := make(chan struct{})
		var other sync.WaitGroup
		other.Go(func() { needTheTable(t, b, ended) })
		runners := []*proc{b.start(strategy, "RUN_LOCK=shared", "CLAIM_SIZE=500"), b.start(strategy, "RUN_LOCK=shared", "CLAIM_SIZE=500")}
		for _, p := range runners {
			p.wantExit(0)
			if n := strings.Count(p.output(), "max_locks_per_transaction"); n != 1 {
				t.Errorf("the lock table is named %d times, want once", n)
			}
		}
		close(ended)
		other.Wait()
		wantOneEffectEach(t, b, invoices)
		b.wantStates("sent/false=3000")
	})
}

// needTheTable is another application, which takes sixty locks in each of its
// transactions, and must get them.
func needTheTable(t *testing.T, b *book, ended <-chan struct{}) {
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.ConnectConfig(ctx, b.config())
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(ctx)
	for {
		select {
		case <-ended:
			return
		default:
		}
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "select pg_advisory_xact_lock(1, n) from generate_series(1, 60) n")
			return err
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the runners left no room for others: %v", err)
			return
		}
	}
}
