package advisory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// ghostWait is how long a server process that serves our lost connection may
// take to end once it is told to.
const ghostWait = 5 * time.Second

// process is a server process. Its number alone is not enough: after a restart,
// another one may have it.
type process struct{ pid, start string }

func askProcess(ctx context.Context, conn *pgx.Conn) (process, error) {
	rows, err := simple(ctx, conn, "select pid, extract(epoch from backend_start) from pg_stat_activity where pid = pg_backend_pid()")
	if err != nil {
		return process{}, err
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return process{}, errors.New("pg_stat_activity does not show this connection")
	}
	return process{string(rows[0][0]), string(rows[0][1])}, nil
}

// end tells the process to end, if it is there still.
func (p process) end(ctx context.Context, conn *pgx.Conn) error {
	_, err := simple(ctx, conn, fmt.Sprintf(
		"select pg_terminate_backend(pid) from pg_stat_activity where pid = %s and extract(epoch from backend_start) = %s", p.pid, p.start))
	return err
}

// Retake takes a lock again whose connection is lost, on a new one, and waits for
// nobody: it returns a *HeldError if others hold it. Whether others have held it
// since the loss, only who knows what they do under it can tell.
//
// The server may not know of the loss yet, and hold the lock for a connection
// that leads nowhere: its process is ended. After a fail-over the same address may
// lead to a standby, whose locks exclude nobody: that is refused.
func (l *SessionLock) Retake(ctx context.Context) (*SessionLock, error) {
	return l.config.acquire(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := RefuseStandby(ctx, conn); err != nil {
			return err
		}
		if err := l.home.end(ctx, conn); err != nil {
			return fmt.Errorf("end the lost lock connection's server process: %w", err)
		}
		return l.config.tryBehind(ctx, conn, l.home)
	})
}

// tryBehind tries for as long as nobody but the ghost holds the lock.
func (c Config) tryBehind(ctx context.Context, conn *pgx.Conn, ghost process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, ghostWait, fmt.Errorf("the lost connection's server process has not ended within %s", ghostWait))
	defer cancel()
	again := time.NewTicker(waitPoll)
	defer again.Stop()
	for {
		got, err := c.try(ctx, conn)
		if err != nil || got {
			return err
		}
		holders, err := Holders(ctx, conn, c.Key)
		if err != nil {
			return err
		}
		others := slices.DeleteFunc(holders, func(h Holder) bool { return fmt.Sprint(h.PID) == ghost.pid })
		if len(others) > 0 {
			return &HeldError{Key: c.Key, Holders: others}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for advisory lock %s: %w", c.Key, context.Cause(ctx))
		}
	}
}
