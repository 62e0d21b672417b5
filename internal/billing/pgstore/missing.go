package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/sql"
)

// ErrNoInvoices says that the user's table, or its key, is not there.
var ErrNoInvoices = errors.New("there is no such table or column")

// missingError is an [ErrNoInvoices] that names the variable, and what may have been meant.
type missingError struct{ text string }

func (e *missingError) Error() string { return e.text }

func (e *missingError) Is(target error) bool { return target == ErrNoInvoices }

// missing says which of table and key is not there.
func missing(ctx context.Context, conn *pgx.Conn, b book.Book) error {
	table := b.Invoices.SQL()
	columns, err := firstTexts(ctx, conn, "columns", table)
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", table, err)
	}
	if len(columns) > 0 {
		return &missingError{fmt.Sprintf("INVOICES_ID: %s has no column %s; %s", table, b.ID.SQL(), instead(b.ID[0], columns))}
	}
	tables, err := firstTexts(ctx, conn, "tables")
	if err != nil {
		return fmt.Errorf("read the names of the tables: %w", err)
	}
	text := fmt.Sprintf("INVOICES_TABLE: there is no table %s in this database; ", table)
	if close := nearest(b.Invoices[len(b.Invoices)-1], tables); len(close) > 0 {
		return &missingError{text + "did you mean " + strings.Join(close, " or ") + "?"}
	}
	return &missingError{text + `look at DATABASE_URL, and write the table as in SQL, for example billing."Invoice"`}
}

// firstTexts is the first column of what a query returns.
func firstTexts(ctx context.Context, conn *pgx.Conn, name string, args ...any) ([]string, error) {
	query, err := sql.Query(name, sql.Names{})
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (text string, err error) {
		err = row.Scan(append([]any{&text}, make([]any, len(row.FieldDescriptions())-1)...)...)
		return text, err
	})
}
