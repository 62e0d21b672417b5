package advisory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	waitPoll         = 200 * time.Millisecond
	statementTimeout = 15 * time.Second
)

// Mode of a session lock.
type Mode int

const (
	// Exclusive keeps out everybody else.
	Exclusive Mode = iota
	// Shared keeps out only those who want it exclusively.
	Shared
)

func (m Mode) suffix() string {
	if m == Shared {
		return "_shared"
	}
	return ""
}

// Config of a session lock.
type Config struct {
	Conn           *pgx.ConnConfig
	Key            RunKey
	Mode           Mode
	Wait           time.Duration // how long to try; 0: once
	LongestRequest time.Duration // how long work that relies on the lock may take

	HeartbeatInterval, HeartbeatTimeout time.Duration // 0: the package's
}

// SessionLock is a session advisory lock on a connection of its own, never a
// pool's: a pool would hand the connection, lock and all, to its next user.
type SessionLock struct {
	conn  *pgx.Conn
	key   RunKey
	mode  Mode
	watch *Watch
}

// HeldError says that others hold the lock.
type HeldError struct {
	Key     RunKey
	Holders []Holder
}

func (e *HeldError) Error() string {
	if len(e.Holders) == 0 {
		return fmt.Sprintf("advisory lock %s was held until a moment ago", e.Key)
	}
	names := make([]string, len(e.Holders))
	for i, h := range e.Holders {
		names[i] = h.String()
	}
	return fmt.Sprintf("advisory lock %s is held by %s", e.Key, strings.Join(names, ", "))
}

// Acquire takes the lock, or returns a *HeldError once Wait is over. It asks
// again and again instead of waiting inside the server: a statement that waits
// holds a snapshot, and with it vacuum, back.
func Acquire(ctx context.Context, c Config) (_ *SessionLock, err error) {
	conn, err := pgx.ConnectConfig(ctx, c.Conn)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeConn(ctx, conn))
		}
	}()
	if err := conn.PgConn().Exec(ctx, SessionSettings(conn, c.LongestRequest)).Close(); err != nil {
		return nil, fmt.Errorf("prepare the lock connection: %w", err)
	}
	if err := tryUntil(ctx, conn, c); err != nil {
		return nil, err
	}
	every, timeout := c.HeartbeatInterval, c.HeartbeatTimeout
	if every == 0 {
		every = HeartbeatInterval
	}
	if timeout == 0 {
		timeout = HeartbeatTimeout
	}
	return &SessionLock{conn: conn, key: c.Key, mode: c.Mode, watch: StartWatch(ctx, conn, every, timeout)}, nil
}

func tryUntil(ctx context.Context, conn *pgx.Conn, c Config) error {
	deadline := time.NewTimer(c.Wait)
	defer deadline.Stop()
	again := time.NewTicker(waitPoll)
	defer again.Stop()
	query := fmt.Sprintf("select pg_try_advisory_lock%s($1, $2)", c.Mode.suffix())
	for {
		var got bool
		if err := conn.QueryRow(ctx, query, c.Key.Class, c.Key.Object).Scan(&got); err != nil {
			return fmt.Errorf("try advisory lock %s: %w", c.Key, err)
		}
		if got {
			return nil
		}
		select {
		case <-again.C:
			continue
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
		}
		holders, err := Holders(ctx, conn, c.Key)
		if err != nil {
			return err
		}
		return &HeldError{Key: c.Key, Holders: holders}
	}
}

// Lost is closed when the lock must be taken for lost.
func (l *SessionLock) Lost() <-chan struct{} { return l.watch.Lost() }

// Err is why the lock is lost, once it is.
func (l *SessionLock) Err() error { return l.watch.Err() }

// ErrNotHeld says that the lock was not ours any more as it was released.
var ErrNotHeld = errors.New("the advisory lock was not held any more")

// Release frees the lock and closes its connection. An unlock that answers
// false is a fault: something has ended the lock behind our back.
func (l *SessionLock) Release(ctx context.Context) error {
	if err := l.watch.Stop(); err != nil {
		return errors.Join(err, closeConn(ctx, l.conn))
	}
	query, cancel := context.WithTimeout(context.WithoutCancel(ctx), statementTimeout)
	defer cancel()
	var held bool
	err := l.conn.QueryRow(query, fmt.Sprintf("select pg_advisory_unlock%s($1, $2)", l.mode.suffix()),
		l.key.Class, l.key.Object).Scan(&held)
	switch {
	case err != nil:
		err = fmt.Errorf("unlock advisory lock %s: %w", l.key, err)
	case !held:
		err = fmt.Errorf("unlock advisory lock %s: %w", l.key, ErrNotHeld)
	}
	return errors.Join(err, closeConn(ctx, l.conn))
}

func closeConn(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statementTimeout)
	defer cancel()
	return conn.Close(ctx)
}

// Holder is somebody who holds a lock.
type Holder struct {
	PID             int32     `json:"pid"`
	ApplicationName string    `json:"application_name"`
	ClientAddr      string    `json:"client_addr,omitempty"`
	User            string    `json:"user"`
	BackendStart    time.Time `json:"since"`
	Mode            string    `json:"mode"`
}

func (h Holder) String() string {
	return fmt.Sprintf("%s (process %d, since %s)", h.ApplicationName, h.PID, h.BackendStart.Format(time.RFC3339))
}

// Holders lists who holds a lock. Of a dedicated lock connection, "since" is
// when it was made: the lock is the first thing that it takes.
func Holders(ctx context.Context, conn *pgx.Conn, key RunKey) ([]Holder, error) {
	rows, err := conn.Query(ctx, `select a.pid, a.application_name, coalesce(host(a.client_addr), ''), coalesce(a.usename, ''), a.backend_start, l.mode
		from pg_locks l
		join pg_stat_activity a on a.pid = l.pid
		where l.locktype = 'advisory' and l.granted and l.objsubid = 2
		  and l.database = (select oid from pg_database where datname = current_database())
		  and l.classid = $1::bigint::oid and l.objid = $2::bigint::oid
		order by a.backend_start, a.pid`, int64(uint32(key.Class)), int64(uint32(key.Object)))
	if err != nil {
		return nil, fmt.Errorf("look up the holders of advisory lock %s: %w", key, err)
	}
	holders, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h Holder, err error) {
		var start *time.Time // hidden from users without the right to see it
		err = row.Scan(&h.PID, &h.ApplicationName, &h.ClientAddr, &h.User, &start, &h.Mode)
		if start != nil {
			h.BackendStart = *start
		}
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("look up the holders of advisory lock %s: %w", key, err)
	}
	return holders, nil
}
