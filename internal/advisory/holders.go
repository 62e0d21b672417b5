package advisory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Holder is a server process that holds a lock, and who is behind it.
type Holder struct {
	PID             uint32    `json:"pid"`
	ApplicationName string    `json:"application_name"`
	ClientAddr      string    `json:"client_addr,omitempty"` // empty: a Unix socket, or hidden from us
	User            string    `json:"user"`
	BackendStart    time.Time `json:"since"` // zero: hidden from us
	Mode            string    `json:"mode"`  // ExclusiveLock or ShareLock
}

func (h Holder) String() string {
	name := h.ApplicationName
	if name == "" {
		name = "a nameless application"
	}
	if h.BackendStart.IsZero() {
		return fmt.Sprintf("%s (process %d)", name, h.PID)
	}
	return fmt.Sprintf("%s (process %d, since %s)", name, h.PID, h.BackendStart.Format(time.RFC3339))
}

// HeldError says that others hold the lock.
type HeldError struct {
	Key     RunKey
	Holders []Holder // empty if the last one let it go as it was looked for
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

func heldError(ctx context.Context, conn *pgx.Conn, key RunKey) error {
	holders, err := Holders(ctx, conn, key)
	if err != nil {
		return err
	}
	return &HeldError{Key: key, Holders: holders}
}

// holdersQuery: advisory locks belong to a database; two-integer keys have
// objsubid 2 (manual, System Views, pg_locks). Another role's client address and start are NULL
// for those without pg_read_all_stats (manual,
// Cumulative Statistics System, pg_stat_activity).
const holdersQuery = OnPrimary + `select l.pid, coalesce(a.application_name, ''), coalesce(host(a.client_addr), ''),
		coalesce(a.usename, ''), a.backend_start, l.mode
	from pg_locks l
	left join pg_stat_activity a on a.pid = l.pid
	where l.locktype = 'advisory' and l.granted and l.objsubid = 2
	  and l.database = (select oid from pg_database where datname = current_database())
	  and l.classid = $1::bigint::oid and l.objid = $2::bigint::oid
	order by a.backend_start nulls last, l.pid`

// Holders lists who holds a lock in this database, longest connected first. Of
// a dedicated lock connection, "since" is when it was made: the lock is what it
// was made for.
func Holders(ctx context.Context, conn *pgx.Conn, key RunKey) ([]Holder, error) {
	ctx, cancel := context.WithTimeoutCause(Detach(ctx), statementTimeout,
		fmt.Errorf("no answer on a lock connection within %s", statementTimeout))
	defer cancel()
	rows, err := conn.Query(ctx, holdersQuery, int64(uint32(key.Class)), int64(uint32(key.Object)))
	if err != nil {
		return nil, fmt.Errorf("look up the holders of advisory lock %s: %w", key, withCause(ctx, err))
	}
	holders, err := pgx.CollectRows(rows, scanHolder)
	if err != nil {
		return nil, fmt.Errorf("look up the holders of advisory lock %s: %w", key, withCause(ctx, err))
	}
	return holders, nil
}

// objectHoldersQuery: keys of one bigint have objsubid 1; their halves are
// classid and objid (manual, System Views, pg_locks).
const objectHoldersQuery = OnPrimary + `select (l.classid::bigint << 32) | l.objid::bigint, l.pid, coalesce(a.application_name, ''),
		coalesce(host(a.client_addr), ''), coalesce(a.usename, ''), a.backend_start, l.mode
	from pg_locks l
	left join pg_stat_activity a on a.pid = l.pid
	where l.locktype = 'advisory' and l.granted and l.objsubid = 1
	  and l.database = (select oid from pg_database where datname = current_database())`

// ObjectHolders lists who holds which locks in the one-bigint key space of this
// database, whoever took them. There are never more than the server's lock
// table has room for.
func ObjectHolders(ctx context.Context, conn *pgx.Conn) (map[Key]Holder, error) {
	ctx, cancel := context.WithTimeoutCause(Detach(ctx), statementTimeout,
		fmt.Errorf("no answer within %s", statementTimeout))
	defer cancel()
	rows, err := conn.Query(ctx, objectHoldersQuery)
	if err != nil {
		return nil, fmt.Errorf("list advisory locks: %w", withCause(ctx, err))
	}
	all := make(map[Key]Holder)
	var key int64
	var h Holder
	var start *time.Time
	_, err = pgx.ForEachRow(rows, []any{&key, &h.PID, &h.ApplicationName, &h.ClientAddr, &h.User, &start, &h.Mode}, func() error {
		h.BackendStart = time.Time{}
		if start != nil {
			h.BackendStart = *start
		}
		all[Key(key)] = h
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list advisory locks: %w", withCause(ctx, err))
	}
	return all, nil
}

func scanHolder(row pgx.CollectableRow) (h Holder, err error) {
	var start *time.Time
	err = row.Scan(&h.PID, &h.ApplicationName, &h.ClientAddr, &h.User, &start, &h.Mode)
	if start != nil {
		h.BackendStart = *start
	}
	return h, err
}
