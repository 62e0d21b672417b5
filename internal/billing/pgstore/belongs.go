package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"billonce/sql"
)

// ErrOtherTable says that the ledger belongs to another table than INVOICES_TABLE. Its
// deliveries would pass for those of this table's invoices, which would never be sent.
var ErrOtherTable = errors.New("the ledger belongs to another table")

// owner is the table and the key column that a ledger belongs to.
type owner struct{ table, key string }

func (o owner) String() string { return fmt.Sprintf("%s (key %s)", o.table, o.key) }

// wanted is the owner that the settings name, by the schema in which the table is found.
func (b Book) wanted(ctx context.Context, conn *pgx.Conn) (owner, error) {
	n, err := b.parse()
	if err != nil {
		return owner{}, err
	}
	query, err := sql.Query("table_place", sql.Names{})
	if err != nil {
		return owner{}, err
	}
	var schema, table string
	if err := conn.QueryRow(ctx, query, n.invoices.Sanitize()).Scan(&schema, &table, nil); err != nil {
		return owner{}, fmt.Errorf("look up where the invoices are: %w", err)
	}
	return owner{pgx.Identifier{schema, table}.Sanitize(), n.id.Sanitize()}, nil
}

// recorded is the owner that the ledger knows; empty where no migrate has seen the table.
func (b Book) recorded(ctx context.Context, conn *pgx.Conn) (o owner, err error) {
	n, err := b.parse()
	if err != nil {
		return o, err
	}
	err = conn.QueryRow(ctx, "select coalesce(invoices_table, ''), coalesce(key_column, '') from "+append(n.schema, "ledger").Sanitize()).
		Scan(&o.table, &o.key)
	if err != nil {
		return o, fmt.Errorf("read which table the ledger belongs to: %w", err)
	}
	return o, nil
}

// checkOwner refuses a ledger that belongs to another table.
func (b Book) checkOwner(ctx context.Context, conn *pgx.Conn) error {
	have, err := b.recorded(ctx, conn)
	if err != nil || have == (owner{}) {
		return err
	}
	want, err := b.wanted(ctx, conn)
	if err != nil || have == want {
		return err
	}
	return fmt.Errorf("%w: the one in LEDGER_SCHEMA %s belongs to %s, and INVOICES_TABLE and INVOICES_ID name %s; "+
		"give this table a LEDGER_SCHEMA of its own and run `batch migrate`, or, if it is the same table under a new name, run `batch migrate --rebind`",
		ErrOtherTable, b.Schema, have, want)
}

// bind records the table that the ledger belongs to, where it knows none, or another one
// is asked for. It returns the one that it belonged to.
func (b Book) bind(ctx context.Context, conn *pgx.Conn, rebind bool) (was, is string, err error) {
	have, err := b.recorded(ctx, conn)
	if err != nil {
		return "", "", err
	}
	if have != (owner{}) && !rebind {
		return "", "", b.checkOwner(ctx, conn)
	}
	want, err := b.wanted(ctx, conn)
	if err != nil || have == want {
		return "", "", err
	}
	n, err := b.parse()
	if err != nil {
		return "", "", err
	}
	_, err = conn.Exec(ctx, "update "+append(n.schema, "ledger").Sanitize()+" set invoices_table = $1, key_column = $2", want.table, want.key)
	if err != nil {
		return "", "", fmt.Errorf("record which table the ledger belongs to: %w", err)
	}
	if have == (owner{}) {
		return "", "", nil
	}
	return have.String(), want.String(), nil
}
