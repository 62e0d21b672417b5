package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/sql"
)

// Book is what a reconciliation asks of a book of invoices.
type Book interface {
	// Fit holds the book against the database as a run does as it starts.
	Fit(ctx context.Context, conn *pgx.Conn) (sql.Names, error)
	// ReplyPaths are the places in INVOICES_MARK_SENT that the API's reply fills.
	ReplyPaths() []string
}

// Config is what is reconciled, and how the list is written.
type Config struct {
	Conn     *pgx.ConnConfig // a direct connection: temporary tables are a session's
	Main     *pgx.ConnConfig // where else decisions are written; nil: nowhere else
	Book     Book
	MarkSent string // INVOICES_MARK_SENT, as it is set
	Pending  string // INVOICES_PENDING
	File     string // the list's name, for the record
	Columns  Columns
	Form     Form
	Since    *time.Time // of our first_sent_at and the list's at; nil: from the beginning
	Until    *time.Time // excluded
	By       string
	// LookupAfter is BILLING_LOOKUP_AFTER: how long past its deadline a request may arrive.
	LookupAfter time.Duration
	Progress    func(lines int64) // is called now and then while the list is read
}

// Reconciliation is one list held against one book. It is used by one caller.
type Reconciliation struct {
	Config
	conn  *pgx.Conn
	names sql.Names
	id    uuid.UUID
	found Columns // what the list has
	sha   []byte
	lines int64
	blank int64 // lines that name none of our keys
}

// settings make the session fit for a long statement, whose memory stays bounded. No
// server has all of them.
const settings = `select set_config(name, '0', false) from pg_settings
where name in ('statement_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
union all select set_config('work_mem', '64MB', false)
union all select set_config('jit', 'off', false)`

// Open connects, and refuses a database that doesn't fit the book.
func Open(ctx context.Context, c Config) (*Reconciliation, error) {
	conn, err := pgx.ConnectConfig(ctx, c.Conn)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	r := &Reconciliation{Config: c, conn: conn, id: uuid.New()}
	if r.names, err = c.Book.Fit(ctx, conn); err == nil {
		r.Form.KeyType = r.names.KeyType
		_, err = conn.Exec(ctx, settings)
	}
	if err == nil && c.Main != nil {
		err = r.sameDatabase(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	return r, nil
}

// sameDatabase refuses two URLs that lead to two databases: what was compared in one
// would be decided in the other.
func (r *Reconciliation) sameDatabase(ctx context.Context) error {
	main, err := pgx.ConnectConfig(ctx, r.Main)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	other := &Reconciliation{Config: r.Config, conn: main, names: r.names}
	here, err := r.whichDatabase(ctx)
	there, otherErr := other.whichDatabase(ctx)
	if err := errors.Join(err, otherErr, other.Close(ctx)); err != nil {
		return err
	}
	if here != there {
		return &RefusedError{"LOCK_DATABASE_URL leads to another database than DATABASE_URL"}
	}
	return nil
}

type database struct {
	ledger  uuid.UUID
	oid     int64
	started int64 // the server, in microseconds
}

func (r *Reconciliation) whichDatabase(ctx context.Context) (d database, err error) {
	err = r.each(ctx, "reconcile_ledger", func(row pgx.CollectableRow) error {
		var started time.Time
		err := row.Scan(&d.ledger, &d.oid, &started)
		d.started = started.UnixMicro()
		return err
	})
	return d, err
}

// Close ends the connection, and the temporary tables with it.
func (r *Reconciliation) Close(ctx context.Context) error {
	return r.conn.Close(context.WithoutCancel(ctx))
}

func (r *Reconciliation) exec(ctx context.Context, name string, flags []string, args ...any) error {
	query, err := sql.Query(name, r.names, flags...)
	if err != nil {
		return err
	}
	if _, err := r.conn.Exec(ctx, query, args...); err != nil {
		return fmt.Errorf("reconcile (%s): %w", name, err)
	}
	return nil
}

func (r *Reconciliation) each(ctx context.Context, name string, f func(pgx.CollectableRow) error, args ...any) error {
	query, err := sql.Query(name, r.names)
	if err != nil {
		return err
	}
	rows, err := r.conn.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("reconcile (%s): %w", name, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reconcile (%s): %w", name, err)
	}
	return nil
}
