package advisory

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// tryLockAll takes locks from exactly the keys of its parameter. Beside other
// conditions in a WHERE, a lock function locks what the query never returns: as
// many rows as the planner pleases (manual, 13.3.5).
const tryLockAll = `select pg_try_advisory_xact_lock(key) from unnest($1::bigint[]) with ordinality as k (key, n) order by n`

// TryLockAll takes the transaction locks of these keys inside the transaction
// that is open on conn, without waiting, and says which it got, in their order.
// Locks got before an error stay until that transaction ends.
func TryLockAll(ctx context.Context, conn *pgx.Conn, keys []Key) ([]bool, error) {
	values := make([]int64, len(keys))
	for i, k := range keys {
		values[i] = int64(k)
	}
	rows, err := conn.Query(ctx, tryLockAll, values)
	if err != nil {
		return nil, fmt.Errorf("try advisory locks: %w", err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[bool])
	if err != nil {
		return nil, fmt.Errorf("try advisory locks: %w", err)
	}
	// The extended protocol leaves the last statement's portal open, and with it
	// a snapshot that holds vacuum back for as long as the transaction lasts. A
	// simple query closes it (manual, 55.2.3).
	if err := conn.PgConn().Exec(ctx, "select").Close(); err != nil {
		return nil, fmt.Errorf("end the locking: %w", err)
	}
	return got, nil
}

// CountObjectLocks counts the advisory locks that are held in the one-bigint
// key space of this database.
func CountObjectLocks(ctx context.Context, conn *pgx.Conn) (n int, err error) {
	err = conn.QueryRow(ctx, `select count(*) from pg_locks
		where locktype = 'advisory' and objsubid = 1 and granted
		  and database = (select oid from pg_database where datname = current_database())`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count advisory locks: %w", err)
	}
	return n, nil
}
