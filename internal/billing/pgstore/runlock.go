package pgstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
)

// KeptRunLock is a run's session lock, and can take it again. It implements
// billing.RunLock.
type KeptRunLock struct {
	store *Store
	name  string
	mode  advisory.Mode

	mu   sync.Mutex
	held *advisory.SessionLock
}

// KeepRunLock takes a lock over that was acquired for the runs of a name.
func (s *Store) KeepRunLock(held *advisory.SessionLock, name string, mode advisory.Mode) *KeptRunLock {
	return &KeptRunLock{store: s, name: name, mode: mode, held: held}
}

func (l *KeptRunLock) current() *advisory.SessionLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// Lost implements billing.RunLock.
func (l *KeptRunLock) Lost() <-chan struct{} { return l.current().Lost() }

// ShareRoom divides the room in the lock table among the runners that hold the lock now:
// those that start at once have each found all of it free.
func (l *KeptRunLock) ShareRoom(ctx context.Context) error {
	if l.mode != advisory.Shared {
		return nil
	}
	return l.store.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		holders, err := advisory.Holders(ctx, conn, advisory.NewRunKey(l.name))
		if err == nil && len(holders) > 1 {
			l.store.room.set(int(l.store.room.most.Load()) / len(holders))
		}
		return err
	})
}

// Runners implements the engine's Rest.
func (l *KeptRunLock) Runners(ctx context.Context) (n int, err error) {
	err = l.store.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		holders, err := advisory.Holders(ctx, conn, advisory.NewRunKey(l.name))
		n = len(holders)
		return err
	})
	return n, err
}

// CountAhead implements the engine's Rest.
func (l *KeptRunLock) CountAhead(ctx context.Context, after, upTo *billing.InvoiceID, most int) (int, error) {
	return l.store.countAhead(ctx, after, upTo, most)
}

// Join implements the engine's Rate.
func (l *KeptRunLock) Join(ctx context.Context) (runners int, err error) {
	key, err := l.store.rateKey(ctx)
	if err != nil {
		return 0, err
	}
	return l.current().Join(ctx, key)
}

// Leave implements the engine's Rate.
func (l *KeptRunLock) Leave(ctx context.Context) error {
	key, err := l.store.rateKey(ctx)
	if err != nil {
		return err
	}
	return l.current().Leave(ctx, key)
}

func (s *Store) rateKey(ctx context.Context) (advisory.RunKey, error) {
	ledger, err := s.LedgerID(ctx)
	if err != nil {
		return advisory.RunKey{}, fmt.Errorf("read the ledger's identity: %w", err)
	}
	return advisory.NewRateKey(ledger.String()), nil
}

// Release frees the lock.
func (l *KeptRunLock) Release(ctx context.Context) error { return l.current().Release(ctx) }

// OvertakenError says that another run has had the run lock since it was lost.
type OvertakenError struct{ Application, RunID string }

func (e *OvertakenError) Error() string {
	return fmt.Sprintf("another run has had it since: %s, run %s", e.Application, e.RunID)
}

// Retake implements billing.RunLock. It tries for as long as the database may be
// away. What makes it sound is looked at once the lock is held: from then on
// nobody can slip in.
func (l *KeptRunLock) Retake(ctx context.Context) error {
	ctx, cancel := patiently(ctx)
	defer cancel()
	again, err := l.takeAgain(ctx)
	if err != nil {
		return err
	}
	if err := l.checkNobodyBetween(ctx); err != nil {
		return errors.Join(err, again.Release(ctx))
	}
	l.mu.Lock()
	l.held = again
	l.mu.Unlock()
	l.writeOff(ctx)
	return nil
}

func (l *KeptRunLock) takeAgain(ctx context.Context) (again *advisory.SessionLock, err error) {
	lost, began := l.current(), time.Now()
	err = persistIf(ctx, func(err error) bool {
		var held *advisory.HeldError
		return retakeMaySucceed(err) || errors.As(err, &held) && time.Since(began) < heldPatience
	}, func() error {
		again, err = lost.Retake(ctx)
		return err
	}, func(err error, try int) {
		l.store.cfg.Log.Warn().Err(err).Int("try", try).Msg("taking the run lock again")
	})
	return again, err
}

// retakeMaySucceed: in a fail-over, the address may lead for a moment to a standby that is
// just about to become the primary, or to the old one.
func retakeMaySucceed(err error) bool {
	var unsafe *advisory.UnsafeError
	return errors.As(err, &unsafe) || errors.Is(err, ErrElsewhere) || passing(err)
}

// heldPatience is for a run that has just started, and lets the lock go again as it sees
// that this one lives through a fail-over.
const heldPatience = 2 * time.Second

// checkNobodyBetween: an exclusive run shares with nobody; a shared one with
// other shared ones, whenever they came.
func (l *KeptRunLock) checkNobodyBetween(ctx context.Context) error {
	away := []string{advisory.Exclusive.String()}
	if l.mode == advisory.Exclusive {
		away = append(away, advisory.Shared.String())
	}
	var other OvertakenError
	err := l.store.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, l.store.sql.runSince, l.store.runID(), l.name, away).Scan(&other.Application, &other.RunID)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("look for runs that had the run lock meanwhile: %w", err)
	}
	return &other
}
