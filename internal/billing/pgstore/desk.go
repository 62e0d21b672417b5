package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/sql"
)

// DeskBook is what people's commands ask of a book: its names, in a database that has
// it. They open no [Store].
type DeskBook struct {
	book.Book
	After   time.Duration // BILLING_LOOKUP_AFTER
	Overdue time.Duration // BILLING_SUBMITTED_FOR
	LookUp  bool          // BILLING_LOOKUP_URL decides doubts
}

// LookUpAfter is how long past its deadline a request may still arrive.
func (b DeskBook) LookUpAfter() time.Duration { return b.After }

// SubmittedFor is how long the API may take to say what became of a 202.
func (b DeskBook) SubmittedFor() time.Duration { return b.Overdue }

// LooksUp says whether a run asks the API about what is in doubt.
func (b DeskBook) LooksUp() bool { return b.LookUp }

// Names are what statements are filled with that read the ledger alone, once it and
// the invoices' table are there. The user's SQL is not tried.
func (b DeskBook) Names(ctx context.Context, conn *pgx.Conn) (sql.Names, error) {
	if err := checkSchema(ctx, conn, b.Book); err != nil {
		return sql.Names{}, err
	}
	keyType, err := ledgerType(ctx, conn, b.Book)
	if err != nil {
		return sql.Names{}, err
	}
	place, err := Locate(ctx, conn, b.Book)
	if err != nil {
		return sql.Names{}, err
	}
	n := place.names()
	n.KeyType = keyType
	return n, nil
}

// Fit holds the book against the database as a run does as it starts, with the same
// errors.
func (b DeskBook) Fit(ctx context.Context, conn *pgx.Conn) (sql.Names, error) {
	f, err := fit(ctx, conn, b.Book, request{})
	if err != nil {
		return sql.Names{}, err
	}
	return f.place.names(), nil
}

// ReplyPaths are the places in INVOICES_MARK_SENT that the API's reply fills.
func (b DeskBook) ReplyPaths() []string { return b.MarkSent.Paths }

// Marking is INVOICES_MARK_SENT and INVOICES_PENDING, as they were written.
func (b DeskBook) Marking() (markSent, pending string) { return b.MarkSent.Text, b.Pending }

// Showing is what people are shown of an invoice's row.
func (b DeskBook) Showing() book.Book { return b.Book }

// PendingFault blames INVOICES_PENDING for the error of a statement that holds it, if
// PostgreSQL refused the statement for good.
func (b DeskBook) PendingFault(statement string, err error) error {
	refused := pgerr.From(err)
	if refused == nil || passing(err) {
		return err
	}
	return pendingFragment(b.Book, statement).fault(refused)
}
