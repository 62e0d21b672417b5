// Package pgdesk reads and writes for people what stands in the ledger: the
// deliveries that are open, the status, one invoice's history, and decisions. A run
// uses nothing of it.
package pgdesk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/sql"
)

// statementTimeout is how long one statement may take, and connecting too. The
// server's own limit for a transaction that writes is shorter.
const statementTimeout = 90 * time.Second

// Book is what the desk asks of a book of invoices.
type Book interface {
	// Fit holds the book against the database as a run does as it starts: the schema,
	// the tables, the user's SQL.
	Fit(ctx context.Context, conn *pgx.Conn) (sql.Names, error)
	// ReplyPaths are the places in INVOICES_MARK_SENT that the API's reply fills.
	ReplyPaths() []string
	// Marking is INVOICES_MARK_SENT and INVOICES_PENDING, as they were written.
	Marking() (markSent, pending string)
	// LookUpAfter is how long past its deadline a request may still arrive.
	LookUpAfter() time.Duration
	// SubmittedFor is how long the API may take to say what became of a 202.
	SubmittedFor() time.Duration
	// LooksUp says whether a run asks the API about what is in doubt.
	LooksUp() bool
	// Showing is the book, by which is chosen what people are shown of an invoice.
	Showing() book.Book
}

// Desk is people's access to one book's ledger. It has one connection, which serves
// one caller at a time.
type Desk struct {
	names   sql.Names
	show    book.Book
	replies int           // places that a reply would fill
	after   time.Duration // past its deadline a request may still arrive
	overdue time.Duration // BILLING_SUBMITTED_FOR
	looksUp bool

	markSent, pending string // the user's SQL, as it was written

	mu   sync.Mutex
	conn *pgx.Conn
}

// Open connects, and refuses a database that does not fit the book.
func Open(ctx context.Context, cfg *pgx.ConnConfig, book Book) (*Desk, error) {
	d := &Desk{
		show: book.Showing(), replies: len(book.ReplyPaths()), after: book.LookUpAfter(), overdue: book.SubmittedFor(), looksUp: book.LooksUp(),
	}
	d.markSent, d.pending = book.Marking()
	var err error
	if d.conn, err = pgx.ConnectConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
		d.names, err = book.Fit(ctx, conn)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, d.Close(ctx))
	}
	return d, nil
}

// Close ends the connection.
func (d *Desk) Close(ctx context.Context) error {
	return d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error { return conn.Close(ctx) })
}

// use runs f on the connection, and does not pass on that the caller gave up: a
// cancelled query closes a pgx connection, and leaves the fate of a commit unknown.
func (d *Desk) use(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), statementTimeout,
		fmt.Errorf("no answer from the database within %s", statementTimeout))
	defer cancel()
	return f(ctx, d.conn)
}

// within bounds statements that only read and hold the user's SQL, which may take for
// ever. In a transaction of somebody else's they have that one's time.
func within(ctx context.Context, conn *pgx.Conn, limit time.Duration, f func() error) error {
	if conn.PgConn().TxStatus() != 'I' {
		return f()
	}
	if _, err := conn.Exec(ctx, "begin read only"); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, fmt.Sprintf("set local statement_timeout = %d", limit.Milliseconds()))
	if err == nil {
		err = f()
	}
	if conn.IsClosed() {
		return err
	}
	_, rerr := conn.Exec(ctx, "rollback")
	return cmp.Or(err, rerr)
}

// failsOnRow says that the user's SQL fails on some row, or has taken too long.
func failsOnRow(err error) bool {
	return pgerr.FailsOnData(err) || pgerr.Is(err, pgerrcode.QueryCanceled)
}

// query is the text of one of sql's statements for this book.
func (d *Desk) query(name string, flags ...string) (string, error) {
	return sql.Query(name, d.names, flags...)
}

// array writes ids as a PostgreSQL array, which a parameter of any type of key takes.
func array(ids []billing.InvoiceID) (string, error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	text, err := pgtype.NewMap().Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, texts, nil)
	if err != nil {
		return "", fmt.Errorf("write ids as an array: %w", err)
	}
	return string(text), nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
