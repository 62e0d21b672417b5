package advisory

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/pgerr"
)

// Table is the server's lock table: shared by all databases and all that they
// do, and full for everybody when it is full (manual, 19.12,
// max_locks_per_transaction).
type Table struct {
	Slots int `json:"slots"` // what the settings promise; there is some room beyond
	Held  int `json:"held"`  // by anybody, now
}

const readTable = `select current_setting('max_locks_per_transaction')::bigint
	* (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint),
	(select count(*) from pg_locks)`

// ReadTable reads the size of the lock table, and how much of it is in use.
func ReadTable(ctx context.Context, conn *pgx.Conn) (t Table, err error) {
	rows, err := simple(ctx, conn, readTable)
	if err == nil && (len(rows) != 1 || len(rows[0]) != 2) {
		err = errors.New("the server did not answer with two numbers")
	}
	for i, into := range []*int{&t.Slots, &t.Held} {
		if err == nil {
			*into, err = strconv.Atoi(string(rows[0][i]))
		}
	}
	if err != nil {
		return Table{}, fmt.Errorf("read the size of the lock table: %w", err)
	}
	return t, nil
}

// Share is how many locks one program may hold: a quarter of what is free, at
// least one. However many follow each other, each taking a quarter of what the
// ones before have left, the table is never full.
func (t Table) Share() int { return max(1, (t.Slots-t.Held)/4) }

// TableFull recognises a lock table without room (SQLSTATE 53200, out of shared
// memory).
func TableFull(err error) bool {
	return pgerr.Is(err, pgerrcode.OutOfMemory)
}
