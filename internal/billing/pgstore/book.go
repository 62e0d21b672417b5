package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"billonce/sql"
)

// Book is a book of invoices as the environment describes it: the user's
// table, and where its ledger lives.
type Book struct {
	Schema    string // LEDGER_SCHEMA
	Invoices  string // INVOICES_TABLE
	ID        string // INVOICES_ID
	Pending   string // INVOICES_PENDING
	MarkSent  string // INVOICES_MARK_SENT
	Namespace string // LOCK_NAMESPACE
}

// names are a book's identifiers, parsed.
type names struct {
	schema, invoices, id pgx.Identifier
}

func (b Book) parse() (names, error) {
	var n names
	var faults []error
	for _, part := range []struct {
		variable, text string
		max            int
		into           *pgx.Identifier
	}{
		{"LEDGER_SCHEMA", b.Schema, 1, &n.schema},
		{"INVOICES_TABLE", b.Invoices, 2, &n.invoices},
		{"INVOICES_ID", b.ID, 1, &n.id},
	} {
		id, err := ParseIdentifier(part.text, part.max)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", part.variable, err))
		}
		*part.into = id
	}
	if _, err := b.ReplyPaths(); err != nil {
		faults = append(faults, err)
	}
	return n, errors.Join(faults...)
}

// Check says whether the book's names can be names at all. It asks no database.
func (b Book) Check() error {
	_, err := b.parse()
	return err
}

func (b Book) markSent() (markSent, error) {
	n, err := b.parse()
	if err != nil {
		return markSent{}, err
	}
	return parseMarkSent(b.MarkSent, n.invoices.Sanitize()+"."+n.id.Sanitize())
}

// ErrNoInvoices says that the user's table, or its key, is not there.
var ErrNoInvoices = errors.New("there is no such table or column")

// ErrKeyType says that the invoices' key has a type that can't be used here.
var ErrKeyType = errors.New("the type of the invoices' key does not fit")

var errMaterialized = errors.New("it is a materialized view, whose rows can't be marked sent; name its table, or an ordinary view")

// ErrNotUnique says that the invoices' key does not tell them apart.
var ErrNotUnique = errors.New("it is not unique")

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

// keyType asks the catalogue for the type of the invoices' key.
func (b Book) keyType(ctx context.Context, conn *pgx.Conn) (string, error) {
	n, err := b.parse()
	if err != nil {
		return "", err
	}
	query, err := sql.Query("key_type", sql.Names{})
	if err != nil {
		return "", err
	}
	var typ, table string
	var readOnly bool
	err = conn.QueryRow(ctx, query, n.invoices.Sanitize(), n.id[0]).Scan(&typ, &table, &readOnly)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", fmt.Errorf("table %s with a column %s: %w", n.invoices.Sanitize(), n.id.Sanitize(), ErrNoInvoices)
	case err != nil:
		return "", fmt.Errorf("look up the type of the invoices' key: %w", err)
	case readOnly:
		return "", &UserSQLError{Variable: "INVOICES_TABLE", Fragment: b.Invoices, At: -1, Err: errMaterialized}
	}
	key, ok := ledgerKeyType(typ)
	if !ok {
		return "", fmt.Errorf("INVOICES_ID: %w: column %s is %s; it can be bigint, integer, uuid or text", ErrKeyType, n.id.Sanitize(), typ)
	}
	return key, nil
}

// names for the statements; the key's type is known by now.
func (b Book) sqlNames(keyType string, row bool, columns []string) (sql.Names, error) {
	n, err := b.parse()
	if err != nil {
		return sql.Names{}, err
	}
	mark, err := b.markSent()
	if err != nil {
		return sql.Names{}, err
	}
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = pgx.Identifier{c}.Sanitize()
	}
	return sql.Names{
		Schema: n.schema.Sanitize(), Invoices: n.invoices.Sanitize(), ID: n.id.Sanitize(),
		KeyType: keyType, Pending: b.Pending, MarkSent: mark.sql(), Row: row, Columns: quoted,
	}, nil
}

// Names are what statements are filled with that read the ledger alone, once it and
// the invoices' table are there. The user's SQL is not tried.
func (b Book) Names(ctx context.Context, conn *pgx.Conn) (sql.Names, error) {
	if err := b.checkSchema(ctx, conn); err != nil {
		return sql.Names{}, err
	}
	keyType, err := b.ledgerType(ctx, conn)
	if err != nil {
		return sql.Names{}, err
	}
	if _, err := b.keyType(ctx, conn); err != nil {
		return sql.Names{}, err
	}
	return b.sqlNames(keyType, false, nil)
}

// Fit holds the book against the database as a run does as it starts, with the same
// errors.
func (b Book) Fit(ctx context.Context, conn *pgx.Conn) (sql.Names, error) {
	s := Store{book: b}
	if err := s.prepare(ctx, conn); err != nil {
		return sql.Names{}, err
	}
	return b.sqlNames(s.keyType, false, nil)
}
