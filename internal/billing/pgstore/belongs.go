package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
)

// ErrOtherTable says that the ledger belongs to another table than INVOICES_TABLE. Its
// deliveries would pass for those of this table's invoices, which would never be sent.
var ErrOtherTable = errors.New("the ledger belongs to another table")

// owner is the table and the key column that a ledger belongs to.
type owner struct{ table, key string }

func (o owner) String() string { return fmt.Sprintf("%s (key %s)", o.table, o.key) }

// owner is the one that the settings name, by the schema in which the table is found.
func (p Place) owner() owner { return owner{p.sql(), p.book.ID.SQL()} }

// recorded is the owner that the ledger knows; empty where no migrate has seen the table.
func (p Place) recorded(ctx context.Context, conn *pgx.Conn) (o owner, err error) {
	err = conn.QueryRow(ctx, advisory.OnPrimary+"select coalesce(invoices_table, ''), coalesce(key_column, '') from "+p.book.Own("ledger")).
		Scan(&o.table, &o.key)
	if err != nil {
		return o, fmt.Errorf("read which table the ledger belongs to: %w", err)
	}
	return o, nil
}

// checkOwner refuses a ledger that belongs to another table.
func (p Place) checkOwner(ctx context.Context, conn *pgx.Conn) error {
	have, err := p.recorded(ctx, conn)
	if err != nil || have == (owner{}) {
		return err
	}
	want := p.owner()
	if have == want {
		return nil
	}
	return fmt.Errorf("%w: the one in LEDGER_SCHEMA %s belongs to %s, and INVOICES_TABLE and INVOICES_ID name %s; "+
		"if it is the same table under a new name, run `batch migrate --rebind` (another ledger would bill again what is open in this one); if it is another table, give it a LEDGER_SCHEMA of its own and run `batch migrate`",
		ErrOtherTable, p.book.Schema.SQL(), have, want)
}

// bind records the table that the ledger belongs to, where it knows none, or another one
// is asked for. It returns the one that it belonged to.
func (p Place) bind(ctx context.Context, conn *pgx.Conn, rebind bool) (was, is string, err error) {
	have, err := p.recorded(ctx, conn)
	if err != nil {
		return "", "", err
	}
	if have != (owner{}) && !rebind {
		return "", "", p.checkOwner(ctx, conn)
	}
	want := p.owner()
	if have == want {
		return "", "", nil
	}
	_, err = conn.Exec(ctx, "update "+p.book.Own("ledger")+" set invoices_table = $1, key_column = $2", want.table, want.key)
	if err != nil {
		return "", "", fmt.Errorf("record which table the ledger belongs to: %w", err)
	}
	if have == (owner{}) {
		return "", "", nil
	}
	return have.String(), want.String(), nil
}
