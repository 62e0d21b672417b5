package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/sql"
)

// Examined is a book of which a database has everything that a run needs.
type Examined struct {
	fitted
	Version int32 // of the ledger's schema
}

// Examine looks at the schema, the tables and the user's SQL as a run does as it
// starts, and has the same errors.
func Examine(ctx context.Context, conn *pgx.Conn, b book.Book, row bool, columns []string, mentions []billing.Mention) (e Examined, err error) {
	if e.fitted, err = fit(ctx, conn, b, request{row: row, columns: columns, mentions: mentions}); err != nil {
		return e, err
	}
	if _, err := e.checkTwins(ctx, conn); err != nil {
		return e, err
	}
	e.Version, err = sql.SchemaVersion()
	return e, err
}

func (e Examined) String() string {
	return fmt.Sprintf("schema %s, version %d, for %s with keys of type %s",
		e.place.book.Schema.SQL(), e.Version, e.place.sql(), e.place.keyType)
}

// Place is where the invoices are.
func (e Examined) Place() Place { return e.place }

// Unique says whether a unique index covers the key. A view has no index: known is false.
func (p Place) Unique() (yes, known bool) { return p.unique, !p.view }

// RowSecurity says whether policies decide which invoices this role sees
// (manual, 5.8).
func (p Place) RowSecurity(ctx context.Context, conn *pgx.Conn) (active bool, err error) {
	err = conn.QueryRow(ctx, advisory.OnPrimary+"select row_security_active(to_regclass($1)::oid)", p.sql()).Scan(&active)
	if err != nil {
		return false, fmt.Errorf("ask whether row security is active: %w", err)
	}
	return active, nil
}

// PendingIndex is the index that serves a scan of the pending invoices, or finds those of
// one value.
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
func (p Place) PendingIndex(ctx context.Context, conn *pgx.Conn) (i PendingIndex, err error) {
	i.Small = p.size > 0 && p.size < smallTable
	i.Create = fmt.Sprintf("create index concurrently %s on %s (%s) where %s;",
		book.Name{p.table + "_billonce_idx"}.SQL(), p.sql(), p.book.ID.SQL(), p.book.Pending)
	explain, err := sql.Query("pending_plan", p.names())
	if err != nil {
		return i, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return i, err
	}
	defer tx.Rollback(ctx)
	const indexesAlone = "set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off"
	if err := conn.PgConn().Exec(ctx, indexesAlone).Close(); err != nil {
		return i, fmt.Errorf("keep the planner to indexes: %w", err)
	}
	var text []byte
	if err := tx.QueryRow(ctx, explain).Scan(&text); err != nil {
		return i, fmt.Errorf("explain a scan: %w", err)
	}
	i.Name, err = servingIndex(ctx, tx, p.schema, text)
	return i, err
}

// ValuesIndex is the index that finds the invoices of one value of INVOICES_ONE_PER in
// their order.
func (p Place) ValuesIndex(ctx context.Context, conn *pgx.Conn) (i PendingIndex, err error) {
	one, id := p.book.OnePer, p.book.ID
	i.Small = p.size > 0 && p.size < smallTable
	i.Create = fmt.Sprintf("create index concurrently %s on %s (%s, %s) where %s;",
		book.Name{p.table + "_billonce_values_idx"}.SQL(), p.sql(), one.SQL(), id.SQL(), p.book.Pending)
	query, err := sql.Query("values_index", p.names())
	if err != nil {
		return i, err
	}
	err = conn.QueryRow(ctx, query, p.sql(), one[0], id[0]).Scan(&i.Name)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return i, fmt.Errorf("look for an index on %s: %w", one.SQL(), err)
	}
	return i, nil
}

// OnePer says whether INVOICES_ONE_PER keeps values apart.
func (p Place) OnePer() bool { return len(p.book.OnePer) > 0 }

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
	err := tx.QueryRow(ctx, advisory.OnPrimary+"select indpred is not null from pg_index where indexrelid = to_regclass($1)",
		book.Name{schema, node.Index}.SQL()).Scan(&partial)
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
