package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/fault"
	"github.com/billonce/billonce/internal/pgerr"
)

// request is what the requests of a run need of an invoice, and of which invoices.
type request struct {
	row     bool     // the row as JSON
	columns []string // columns as text
	only    bool     // given invoices alone
	// mentions are the names in the templates: a column that is missing is found before
	// anything is sent.
	mentions []billing.Mention
}

// DoesNotFit says whether an error is of settings and a database that don't fit each
// other. Nothing was touched.
func DoesNotFit(err error) bool {
	var schema *SchemaError
	var fragment *UserSQLError
	var settings *fault.Error
	return errors.As(err, &schema) || errors.As(err, &fragment) || errors.As(err, &settings) ||
		errors.Is(err, ErrNoInvoices) || errors.Is(err, ErrKeyType) || errors.Is(err, ErrOtherTable) || errors.Is(err, ErrNotUnique)
}

// fitted is a book as one database has it: its ledger and its invoices are there,
// and its statements are made, and understood by PostgreSQL.
type fitted struct {
	place    Place
	sql      statements
	encoding string // the database's
}

// fit looks at the schema and the tables, and makes the statements for them. What does
// not fit is a *[SchemaError], [ErrNoInvoices], [ErrKeyType], [ErrNotUnique] or a
// *[UserSQLError], and a column that a template names, and the table lacks, a
// *[fault.Error].
func fit(ctx context.Context, conn *pgx.Conn, b book.Book, r request) (f fitted, err error) {
	f.encoding = conn.PgConn().ParameterStatus("server_encoding")
	if err := checkSchema(ctx, conn, b); err != nil {
		return f, err
	}
	if f.place, err = Locate(ctx, conn, b); err != nil {
		return f, err
	}
	if err := f.place.checkLedgerType(ctx, conn); err != nil {
		return f, err
	}
	if err := f.place.checkMentions(ctx, conn, r.mentions); err != nil {
		return f, err
	}
	n := f.place.names()
	n.Row, n.Columns, n.Only = r.row, quoted(r.columns), r.only
	if f.sql, err = newStatements(n); err != nil {
		return f, err
	}
	if err := f.checkFragments(ctx, conn); err != nil {
		return f, err
	}
	return f, f.checkIDs(ctx, conn)
}

// checkIDs refuses a pending invoice without an id: no page of a scan has it, so that
// it would be passed over in silence.
func (f fitted) checkIDs(ctx context.Context, conn *pgx.Conn) error {
	if f.place.required {
		return nil
	}
	var missing bool
	err := queryRows(ctx, conn, f.sql.missingID, nil, func(rows pgx.Rows) (err error) {
		missing, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[bool])
		return err
	}, within(rowsTime))
	switch {
	case tookTooLong(err): // the scan looks for what hangs
		return nil
	case err != nil:
		return fmt.Errorf("look for pending invoices without an id: %w", err)
	case missing:
		return fmt.Errorf("INVOICES_ID: %w: a pending invoice has none (it is NULL); give it one, or take it out of INVOICES_PENDING", ErrNotUnique)
	}
	return nil
}

// checkTwins refuses a key that several pending invoices share: the ledger has one row for
// all of them. Those that a predicate which fails or hangs keeps from being found are met later.
func (f fitted) checkTwins(ctx context.Context, conn *pgx.Conn) (hangs bool, err error) {
	if f.place.unique {
		return false, nil
	}
	id := ""
	err = queryRows(ctx, conn, f.sql.twins, nil, eachID(func(twin string) { id = twin }), within(rowsTime))
	switch {
	case tookTooLong(err):
		return true, nil
	case err == nil && id == "", pgerr.FailsOnData(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for pending invoices with one id: %w", err)
	}
	return false, twins(billing.InvoiceID(id))
}

// twins says that an id is that of several pending invoices.
func twins(id billing.InvoiceID) error {
	return fmt.Errorf("INVOICES_ID: %w: several pending invoices have the id %s; choose a column that tells them apart, "+
		"or make a view whose key holds all that does: select *, tenant || '/' || number as billing_key", ErrNotUnique, id)
}
