package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"billonce/sql"
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
