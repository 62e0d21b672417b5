package advisory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// waitPoll is how often a lock that is held is asked for again.
const waitPoll = 200 * time.Millisecond

// Mode of a session lock.
type Mode int

const (
	// Exclusive keeps out everybody else.
	Exclusive Mode = iota
	// Shared keeps out only those who want the lock exclusively.
	Shared
)

func (m Mode) String() string {
	if m == Shared {
		return "shared"
	}
	return "exclusive"
}

// suffix of the lock functions for this mode.
func (m Mode) suffix() string {
	if m == Shared {
		return "_shared"
	}
	return ""
}

// Config of a session lock.
type Config struct {
	Conn           *pgx.ConnConfig // a direct way to the server, or a pooler in session mode
	First          *pgx.Conn       // an idle connection that was made from Conn, for Acquire to take over; nil: it makes one
	Key            RunKey
	Mode           Mode
	Wait           time.Duration // how long to try; 0: once
	LongestRequest time.Duration // how long work that relies on the lock may take; see SessionSettings

	// Check refuses a connection that leads to another server than work under the lock goes
	// to; nil: none is refused.
	Check func(ctx context.Context, conn *pgx.Conn) error

	HeartbeatInterval, HeartbeatTimeout time.Duration // of the Watch; 0: the package's
}

// SessionLock is a session advisory lock on a connection of its own, never a
// pool's: a pool would hand the connection, lock and all, to its next user.
type SessionLock struct {
	conn   *pgx.Conn
	config Config
	home   process
	watch  *Watch
}

// Acquire connects and takes the lock, or returns a *HeldError once Wait is
// over. It asks again and again instead of waiting inside the server: a
// statement that waits holds a snapshot, and with it vacuum, back.
func Acquire(ctx context.Context, c Config) (*SessionLock, error) {
	if c.First != nil {
		return c.acquireOn(ctx, c.First, c.tryUntil)
	}
	return c.acquire(ctx, c.tryUntil)
}

// acquire makes a connection and has take try the lock on it.
func (c Config) acquire(ctx context.Context, take func(context.Context, *pgx.Conn) error) (*SessionLock, error) {
	conn, err := pgx.ConnectConfig(ctx, c.Conn)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c.acquireOn(ctx, conn, take)
}

func (c Config) acquireOn(ctx context.Context, conn *pgx.Conn, take func(context.Context, *pgx.Conn) error) (_ *SessionLock, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeConn(ctx, conn))
		}
	}()
	if _, err := simple(ctx, conn, SessionSettings(conn, c.LongestRequest)); err != nil {
		return nil, fmt.Errorf("prepare the lock connection: %w", err)
	}
	home, err := askProcess(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("prepare the lock connection: %w", err)
	}
	if c.Check != nil {
		if err := c.Check(ctx, conn); err != nil {
			return nil, err
		}
	}
	if err := take(ctx, conn); err != nil {
		return nil, err
	}
	every, timeout := c.HeartbeatInterval, c.HeartbeatTimeout
	if every <= 0 {
		every = HeartbeatInterval
	}
	if timeout <= 0 {
		timeout = HeartbeatTimeout
	}
	return &SessionLock{conn: conn, config: c, home: home, watch: StartWatch(ctx, conn, every, timeout)}, nil
}

func (c Config) tryUntil(ctx context.Context, conn *pgx.Conn) error {
	deadline := time.NewTimer(c.Wait)
	defer deadline.Stop()
	again := time.NewTicker(waitPoll)
	defer again.Stop()
	for last := c.Wait <= 0; ; {
		if ctx.Err() != nil {
			return fmt.Errorf("wait for advisory lock %s: %w", c.Key, context.Cause(ctx))
		}
		got, err := c.try(ctx, conn)
		switch {
		case err != nil:
			return err
		case got:
			return nil
		case last:
			return heldError(ctx, conn, c.Key)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
		case <-deadline.C:
			last = true
		}
	}
}

// try asks for the lock once.
func (c Config) try(ctx context.Context, conn *pgx.Conn) (bool, error) {
	got, err := askBool(ctx, conn, fmt.Sprintf("select pg_try_advisory_lock%s(%s)", c.Mode.suffix(), c.Key.args()))
	if err != nil {
		return false, fmt.Errorf("try advisory lock %s: %w", c.Key, err)
	}
	return got, nil
}

// Lost is closed when the lock must be taken for lost.
func (l *SessionLock) Lost() <-chan struct{} { return l.watch.Lost() }

// Err is why the lock is lost, once it is; nil until then.
func (l *SessionLock) Err() error { return l.watch.Err() }

// ErrNotHeld says that the lock was not ours any more as it was released.
var ErrNotHeld = errors.New("the advisory lock was not held any more")

// Release frees the lock and closes its connection; call it once. It is not
// cancelled with ctx. An unlock that answers false is a fault, ErrNotHeld:
// something has freed the lock behind our back, or has moved us to another
// server process.
func (l *SessionLock) Release(ctx context.Context) error {
	if err := l.watch.Stop(); err != nil {
		return errors.Join(fmt.Errorf("unlock advisory lock %s: %w", l.config.Key, err), closeConn(ctx, l.conn))
	}
	held, err := askBool(ctx, l.conn, fmt.Sprintf("select pg_advisory_unlock%s(%s)", l.config.Mode.suffix(), l.config.Key.args()))
	if err == nil && !held {
		err = ErrNotHeld
	}
	if err != nil {
		err = fmt.Errorf("unlock advisory lock %s: %w", l.config.Key, err)
	}
	return errors.Join(err, closeConn(ctx, l.conn))
}
