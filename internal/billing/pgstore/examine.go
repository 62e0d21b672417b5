package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"billonce/sql"
)

// Examined is what a book's names have led to.
type Examined struct {
	Schema, Invoices, KeyType string
	Version                   int32
}

// Examine looks at the schema, the tables and the user's SQL as a run does as it
// starts, and has the same errors.
func (b Book) Examine(ctx context.Context, conn *pgx.Conn, row bool, columns []string) (e Examined, err error) {
	s := Store{book: b, cfg: Config{Row: row, Columns: columns}}
	if err := s.prepare(ctx, conn); err != nil {
		return e, err
	}
	n, err := b.parse()
	if err != nil {
		return e, err
	}
	e.Schema, e.KeyType = n.schema.Sanitize(), s.keyType
	if e.Version, err = sql.SchemaVersion(); err != nil {
		return e, err
	}
	query, err := sql.Query("table_place", sql.Names{})
	if err != nil {
		return e, err
	}
	var schema, table string
	var size int64
	if err := conn.QueryRow(ctx, query, n.invoices.Sanitize()).Scan(&schema, &table, &size); err != nil {
		return e, fmt.Errorf("look up where the invoices are: %w", err)
	}
	e.Invoices = pgx.Identifier{schema, table}.Sanitize()
	return e, nil
}

// RowSecurity says whether policies decide which invoices this role sees
// (manual, 5.8).
func (b Book) RowSecurity(ctx context.Context, conn *pgx.Conn) (active bool, err error) {
	n, err := b.parse()
	if err != nil {
		return false, err
	}
	err = conn.QueryRow(ctx, "select row_security_active(to_regclass($1)::oid)", n.invoices.Sanitize()).Scan(&active)
	if err != nil {
		return false, fmt.Errorf("ask whether row security is active: %w", err)
	}
	return active, nil
}

// PendingIndex is the index that serves a scan of the pending invoices.
type PendingIndex struct {
	Name   string // empty: none does
	Small  bool   // the table is so small that none is needed
	Create string // the statement that makes one
}

// smallTable is read as a whole in no time.
const smallTable = 8 << 20

// PendingIndex asks the planner how it would read a page of pending invoices if
// it could not read all of the table: what it then still has to filter, no index
// serves.
func (b Book) PendingIndex(ctx context.Context, conn *pgx.Conn) (p PendingIndex, err error) {
	n, err := b.parse()
	if err != nil {
		return p, err
	}
	place, err := sql.Query("table_place", sql.Names{})
	if err != nil {
		return p, err
	}
	var schema, table string
	var size int64
	if err := conn.QueryRow(ctx, place, n.invoices.Sanitize()).Scan(&schema, &table, &size); err != nil {
		return p, fmt.Errorf("look up where the invoices are: %w", err)
	}
	p.Small = size > 0 && size < smallTable
	name := pgx.Identifier{table + "_billonce_idx"}.Sanitize()
	p.Create = fmt.Sprintf("create index concurrently %s on %s (%s) where %s;", name,
		pgx.Identifier{schema, table}.Sanitize(), n.id.Sanitize(), b.Pending)
	names, err := b.sqlNames("", false, nil)
	if err != nil {
		return p, err
	}
	explain, err := sql.Query("pending_plan", names)
	if err != nil {
		return p, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return p, err
	}
	defer tx.Rollback(ctx)
	const indexesAlone = "set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off"
	if err := conn.PgConn().Exec(ctx, indexesAlone).Close(); err != nil {
		return p, fmt.Errorf("keep the planner to indexes: %w", err)
	}
	var text []byte
	if err := tx.QueryRow(ctx, explain).Scan(&text); err != nil {
		return p, fmt.Errorf("explain a scan: %w", err)
	}
	p.Name, err = servingIndex(ctx, tx, schema, text)
	return p, err
}

// planNode is a node of EXPLAIN (FORMAT JSON).
type planNode struct {
	Type   string     `json:"Node Type"`
	Index  string     `json:"Index Name"`
	Filter string     `json:"Filter"`
	Plans  []planNode `json:"Plans"`
}

// servingIndex finds the index that a plan reads, and that holds no more than
// what is pending, or finds it: a partial one, or one with nothing to filter
// behind it.
func servingIndex(ctx context.Context, tx pgx.Tx, schema string, plan []byte) (string, error) {
	var top []struct{ Plan planNode }
	if err := json.Unmarshal(plan, &top); err != nil || len(top) != 1 {
		return "", errors.Join(errors.New("read the plan of a scan"), err)
	}
	node := top[0].Plan
	for len(node.Plans) > 0 && node.Type != "Sort" {
		node = node.Plans[0]
	}
	if node.Index == "" {
		return "", nil
	}
	if node.Filter == "" {
		return node.Index, nil
	}
	var partial bool
	err := tx.QueryRow(ctx, "select indpred is not null from pg_index where indexrelid = to_regclass($1)",
		pgx.Identifier{schema, node.Index}.Sanitize()).Scan(&partial)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", nil // the invoices are a view, and their index lies elsewhere
	case err != nil:
		return "", fmt.Errorf("look at index %s: %w", node.Index, err)
	case !partial:
		return "", nil
	}
	return node.Index, nil
}
