package advisory

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Join holds another key on the lock's connection, shared, if it is not held there yet.
// It returns how many hold it: at least one.
func (l *SessionLock) Join(ctx context.Context, key RunKey) (holders int, err error) {
	err = l.watch.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		mine := "select exists (select from pg_locks " + holding(key) + " and pid = pg_backend_pid())"
		held, err := askBool(ctx, conn, mine)
		if err == nil && !held {
			_, err = askBool(ctx, conn, fmt.Sprintf("select pg_try_advisory_lock_shared(%s)", key.args()))
		}
		if err != nil {
			return err
		}
		n, err := ask(ctx, conn, "select count(*) from pg_locks "+holding(key))
		if err == nil {
			holders, err = strconv.Atoi(n)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("hold advisory lock %s with others: %w", key, err)
	}
	return max(1, holders), nil
}

// Leave ends a Join.
func (l *SessionLock) Leave(ctx context.Context, key RunKey) error {
	err := l.watch.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := askBool(ctx, conn, fmt.Sprintf("select pg_advisory_unlock_shared(%s)", key.args()))
		return err
	})
	if err != nil {
		return fmt.Errorf("hold advisory lock %s no more: %w", key, err)
	}
	return nil
}

// holding is the condition that pg_locks shows a key of this database by.
func holding(key RunKey) string {
	return fmt.Sprintf(`where locktype = 'advisory' and granted and objsubid = 2
		and database = (select oid from pg_database where datname = current_database())
		and classid = %d::bigint::oid and objid = %d::bigint::oid`, uint32(key.Class), uint32(key.Object))
}
