package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// openStore opens the store while the locks are being proven: it only reads, and each
// takes as long as the other.
func (e *execution) openStore(ctx context.Context) error {
	c := e.config
	if err := firstConnections(ctx, e.db); err != nil {
		return err
	}
	cfg := pgstore.Config{
		Conn: e.db.main, Pooled: e.db.pooled, Book: c.book, RunID: e.id, Strategy: c.LockStrategy, LongestRequest: c.BillingTimeout,
		Row: e.client.NeedsRow() || e.flags.dryRun, Columns: e.client.Columns(), Mentions: e.client.Mentions(), Only: e.flags.only, Log: e.log,
	}
	proof := make(chan error, 1)
	go func() { proof <- prove(ctx, c, e.db) }()
	var err error
	e.store, err = pgstore.Open(ctx, cfg)
	err = pgstore.RefuseTooFew(err)
	if perr := <-proof; perr != nil { // it says more
		if err == nil {
			e.closeStore(ctx)
		}
		return perr
	}
	if err == nil {
		e.store.TakeForClaims(ctx, e.db.proven.claims...)
	}
	return err
}

func (e *execution) closeStore(ctx context.Context) {
	if err := e.store.Close(ctx); err != nil {
		e.log.Debug().Err(err).Msg("closing the store")
	}
}

// acquireRunLock takes the run lock; nil: there is none (RUN_LOCK=off).
func (e *execution) acquireRunLock(ctx context.Context) (*pgstore.KeptRunLock, error) {
	c := e.config
	if c.RunLock == "off" {
		return nil, nil
	}
	mode := advisory.Exclusive
	if c.RunLock == "shared" {
		mode = advisory.Shared
	}
	lock, err := advisory.Acquire(ctx, advisory.Config{
		Conn: e.db.lock, First: e.db.proven.session, Key: advisory.NewRunKey(c.RunName), Mode: mode, Wait: c.RunLockWait, LongestRequest: c.BillingTimeout,
		Check: e.store.SameDatabase,
	})
	if errors.Is(err, pgstore.ErrElsewhere) {
		return nil, &exitError{billing.ExitRefused, fmt.Errorf("%w; LOCK_DATABASE_URL and DATABASE_URL have to lead to one server", err)}
	}
	e.db.proven.session = nil // it is taken over
	if err != nil {
		return nil, fmt.Errorf("take the run lock %q: %w", c.RunName, err)
	}
	return e.store.KeepRunLock(lock, c.RunName, mode), nil
}

func releaseRunLock(ctx context.Context, lock *pgstore.KeptRunLock) error {
	if lock == nil {
		return nil
	}
	return lock.Release(context.WithoutCancel(ctx))
}
