package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/sql"
)

// Seed makes the demo's table where there is none, and adds n pending invoices.
func Seed(ctx context.Context, cfg *pgx.ConnConfig, n int) (err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	table, err := sql.Query("seed_table", sql.Names{})
	if err != nil {
		return err
	}
	rows, err := sql.Query("seed_rows", sql.Names{})
	if err != nil {
		return err
	}
	if err := conn.PgConn().Exec(ctx, table).Close(); err != nil {
		return fmt.Errorf("make the demo's table: %w", err)
	}
	if _, err := conn.Exec(ctx, rows, n); err != nil {
		return fmt.Errorf("add %d invoices to the table \"invoices\" (is it the demo's?): %w", n, err)
	}
	return nil
}

// SeedFile carries out the statements of a file, all of them or none, unless it has
// transactions of its own. A statement that is refused is a *UserSQLError.
func SeedFile(ctx context.Context, cfg *pgx.ConnConfig, name, statements string) (err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := conn.PgConn().Exec(ctx, statements).Close(); err != nil {
		at := -1
		if said := pgerr.From(err); said != nil {
			at = int(said.Position) - 1 // counted from 1; 0: it does not point
		}
		return &UserSQLError{Variable: name, Fragment: statements, At: at, Err: err}
	}
	return nil
}
