package advisory

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// tryLockKeys locks exactly the keys of its array. Beside other conditions in a
// WHERE, or under a LIMIT, a lock function locks what the query never returns:
// as many rows as the planner pleases (manual, 13.3.5). Here every key is a row
// of the only set there is.
const tryLockKeys = `select pg_try_advisory_xact_lock(key) from unnest('{%s}'::bigint[]) with ordinality as k (key, n) order by n`

const tryLockPairs = `select pg_try_advisory_xact_lock(a, b) from unnest('{%s}'::int[], '{%s}'::int[]) with ordinality as k (a, b, n) order by n`

// ErrNoTransaction says that transaction locks were asked for outside of a
// transaction, or in one that has failed: they would be free again at once.
var ErrNoTransaction = errors.New("no transaction is open to hold the locks")

// TryLockAll takes the transaction locks of these keys inside the open
// transaction on conn, without waiting, and tells which it got, in their order.
// It takes one round trip. A key that occurs twice is got twice, or not at all.
//
// The caller has begun the transaction, READ COMMITTED, so that its next
// statement sees what was committed before these locks were got (manual,
// 13.2.1). After an error, that transaction is to be ended: it may hold some.
//
// No statement with arguments runs here. pgx would leave its portal open, and
// the portal a snapshot, which holds vacuum back for as long as the transaction
// lasts: backend_xmin in pg_stat_activity. A simple query ends with its own
// portal, and ends one that was left by an earlier statement (manual,
// Message Flow, Extended Query).
func TryLockAll(ctx context.Context, conn *pgx.Conn, keys []Key) (got []bool, err error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("try advisory locks: %w", context.Cause(ctx))
	}
	if conn.PgConn().TxStatus() != 'T' {
		return nil, fmt.Errorf("try advisory locks: %w", ErrNoTransaction)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return tryLock(ctx, conn, fmt.Sprintf(tryLockKeys, list(keys)), len(keys))
}

// TryLockPairs is TryLockAll for keys of two integers.
func TryLockPairs(ctx context.Context, conn *pgx.Conn, keys []RunKey) (got []bool, err error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("try advisory locks: %w", context.Cause(ctx))
	}
	if conn.PgConn().TxStatus() != 'T' {
		return nil, fmt.Errorf("try advisory locks: %w", ErrNoTransaction)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	classes, objects := make([]Key, len(keys)), make([]Key, len(keys))
	for i, key := range keys {
		classes[i], objects[i] = Key(key.Class), Key(key.Object)
	}
	return tryLock(ctx, conn, fmt.Sprintf(tryLockPairs, list(classes), list(objects)), len(keys))
}

func tryLock(ctx context.Context, conn *pgx.Conn, statement string, keys int) (got []bool, err error) {
	rows, err := simple(ctx, conn, statement)
	if err != nil {
		return nil, fmt.Errorf("try advisory locks: %w", err)
	}
	if len(rows) != keys {
		return nil, fmt.Errorf("try advisory locks: %d answers to %d keys", len(rows), keys)
	}
	got = make([]bool, len(rows))
	for i, row := range rows {
		got[i] = string(row[0]) == "t"
	}
	return got, nil
}

func list(keys []Key) string {
	var b strings.Builder
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(int64(key), 10))
	}
	return b.String()
}
