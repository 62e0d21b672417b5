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
	idType   string // what the key's own index is looked into with
	required bool   // no invoice is without a key
	view     bool
	unique   bool  // a unique index covers the key
	size     int64 // of the table, in bytes; 0: it is a view
}

// Locate finds a book's invoices.
func Locate(ctx context.Context, conn *pgx.Conn, b book.Book) (Place, error) {
	p := Place{book: b}
	var named, typ string
	base := make(book.Name, 2)
	var readOnly bool
	query, err := sql.Query("locate", sql.Names{})
	if err != nil {
		return p, err
	}
	err = conn.QueryRow(ctx, query, b.Invoices.SQL(), b.ID[0]).
		Scan(&named, &typ, &base[1], &base[0], &p.required, &p.schema, &p.table, &readOnly, &p.view, &p.size, &p.unique)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return p, missing(ctx, conn, b)
	case err != nil:
		return p, fmt.Errorf("look up the invoices' table and key: %w", err)
	case readOnly:
		return p, &UserSQLError{Variable: "INVOICES_TABLE", Fragment: strings.Join(b.Invoices, "."), At: -1, Err: errMaterialized}
	}
	var ok bool
	if p.keyType, p.idType, ok = keyTypes(typ, base); !ok {
		return p, fmt.Errorf("INVOICES_ID: %w: column %s is %s; it can be bigint, integer, uuid or text. For another type make a view whose key is text: "+
			"create view billable as select *, %s::text as billing_key from %s; and set INVOICES_TABLE=billable and INVOICES_ID=billing_key",
			ErrKeyType, b.ID.SQL(), named, b.ID.SQL(), p.sql())
	}
	return p, nil
}

// keyTypes are the type of the ledger's key for a type of the invoices', a domain's base,
// and the type of what is looked for in the invoices' index: char(n) and citext have
// operators of their own, by which theirs is ordered.
func keyTypes(typ string, base book.Name) (ledger, id string, ok bool) {
	switch typ {
	case "bigint", "integer", "uuid", "text":
		return typ, typ, true
	case "smallint":
		return "integer", "integer", true
	case "character varying":
		return "text", "text", true
	case "character":
		return "text", "bpchar", true
	}
	if base[1] == "citext" {
		return "text", base.SQL(), true
	}
	return "", "", false
}

// sql is the table as a statement takes it, whatever the search path.
func (p Place) sql() string { return book.Name{p.schema, p.table}.SQL() }

// names are a book's names for the statements, in the place where its invoices were found:
// the table is named with its schema, whatever the search path may become.
func (p Place) names() sql.Names {
	b := p.book
	n := sql.Names{
		Schema: b.Schema.SQL(), Invoices: p.sql(), ID: b.ID.SQL(),
		KeyType: p.keyType, IDType: p.idType, Pending: b.Pending, MarkSent: b.MarkSent.SQL(),
	}
	if len(b.OnePer) > 0 {
		n.OnePer = b.OnePer.SQL()
	}
	if len(b.Amount) > 0 {
		n.Amount = b.Amount.SQL()
	}
	if len(b.Currency) > 0 {
		n.Currency = b.Currency.SQL()
	}
	return n
}
