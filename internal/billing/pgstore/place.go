package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"billonce/internal/billing/book"
	"billonce/sql"
)

// ErrNoInvoices says that the user's table, or its key, is not there.
var ErrNoInvoices = errors.New("there is no such table or column")

// ErrKeyType says that the invoices' key has a type that can't be used here.
var ErrKeyType = errors.New("the type of the invoices' key does not fit")

var errMaterialized = errors.New("it is a materialized view, whose rows can't be marked sent; name its table, or an ordinary view")

// ErrNotUnique says that the invoices' key does not tell them apart.
var ErrNotUnique = errors.New("it is not unique")

// Place is where a database has a book's invoices, as its catalogue says. It is
// asked for once.
type Place struct {
	book     book.Book
	schema   string
	table    string
	keyType  string // of the ledger's key for it
	required bool   // no invoice is without a key
	size     int64  // of the table, in bytes; 0: it is a view
}

// Locate finds a book's invoices.
func Locate(ctx context.Context, conn *pgx.Conn, b book.Book) (Place, error) {
	p := Place{book: b}
	var typ string
	var readOnly bool
	query, err := sql.Query("locate", sql.Names{})
	if err != nil {
		return p, err
	}
	err = conn.QueryRow(ctx, query, b.Invoices.SQL(), b.ID[0]).Scan(&typ, &p.required, &p.schema, &p.table, &readOnly, &p.size)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return p, fmt.Errorf("table %s with a column %s: %w", b.Invoices.SQL(), b.ID.SQL(), ErrNoInvoices)
	case err != nil:
		return p, fmt.Errorf("look up the invoices' table and key: %w", err)
	case readOnly:
		return p, &UserSQLError{Variable: "INVOICES_TABLE", Fragment: strings.Join(b.Invoices, "."), At: -1, Err: errMaterialized}
	}
	var ok bool
	if p.keyType, ok = ledgerKeyType(typ); !ok {
		return p, fmt.Errorf("INVOICES_ID: %w: column %s is %s; it can be bigint, integer, uuid or text", ErrKeyType, b.ID.SQL(), typ)
	}
	return p, nil
}

// ledgerKeyType is the type of the ledger's key for a type of the invoices'.
func ledgerKeyType(column string) (string, bool) {
	switch column {
	case "bigint", "integer", "uuid", "text":
		return column, true
	case "smallint":
		return "integer", true
	case "character varying", "character":
		return "text", true
	}
	return "", false
}

// sql is the table as a statement takes it, whatever the search path.
func (p Place) sql() string { return book.Name{p.schema, p.table}.SQL() }

// sqlNames are a book's names for the statements.
func sqlNames(b book.Book, keyType string) sql.Names {
	onePer := ""
	if len(b.OnePer) > 0 {
		onePer = b.OnePer.SQL()
	}
	return sql.Names{
		Schema: b.Schema.SQL(), Invoices: b.Invoices.SQL(), ID: b.ID.SQL(), OnePer: onePer,
		KeyType: keyType, Pending: b.Pending, MarkSent: b.MarkSent.SQL(),
	}
}
