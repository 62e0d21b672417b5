package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"billonce/internal/advisory"
	"billonce/internal/billing"
	"billonce/internal/billing/book"
	"billonce/internal/pgerr"
	"billonce/sql"
)

const (
	lastRuns    = 5 // that a status shows
	lastReasons = 10

	// countedUpTo is the ledger's size up to which everything is counted; a
	// larger one is not read as a whole. It holds about 90,000 deliveries.
	countedUpTo = 16 << 20
)

// Status is what an operator sees of a book of invoices.
type Status struct {
	At           time.Time               `json:"at"`
	TimeZone     string                  `json:"time_zone"` // whose midnight today began at: the session's, as that of current_date in INVOICES_PENDING
	Pending      int64                   `json:"pending"`
	Deliveries   map[billing.State]int64 `json:"deliveries"` // no `sent`: it is not known
	Estimated    bool                    `json:"estimated"`  // the ledger is large: sent is PostgreSQL's estimate, sent_today what the runs that ended today say
	SentToday    int64                   `json:"sent_today"`
	Sending      Sending                 `json:"sending"`
	RetryDueAt   *time.Time              `json:"retry_due_at,omitempty"` // the next one
	RetryDueIn   time.Duration           `json:"-"`
	Failed       []FailedReason          `json:"failed"`
	InDoubtSince *time.Time              `json:"in_doubt_since,omitempty"` // the oldest
	InDoubtFor   time.Duration           `json:"-"`
	Runs         []Run                   `json:"runs"` // the last ones, youngest first
	RunLock      RunLock                 `json:"run_lock"`
	InvoiceLocks int                     `json:"invoice_locks"` // advisory locks in the invoices' key space, now
}

// FailedReason is why deliveries failed.
type FailedReason struct {
	Count      int64             `json:"count"`
	HTTPStatus int               `json:"http_status,omitempty"`
	Error      string            `json:"error"`   // of one of them
	Example    billing.InvoiceID `json:"example"` // one of them
}

// RunLock says who holds the run lock, and under which key pg_locks shows it.
type RunLock struct {
	Name    string            `json:"name"`
	Key     string            `json:"key"` // classid,objid in pg_locks
	Holders []advisory.Holder `json:"holders"`
}

// statusReader reads a status, piece by piece.
type statusReader struct {
	conn      *pgx.Conn
	names     sql.Names
	table     string // the ledger's
	book      book.Book
	connected map[string]bool // application names
	st        Status
}

// ReadStatus reads a book's status. It changes nothing and takes no locks.
func ReadStatus(ctx context.Context, cfg *pgx.ConnConfig, b book.Book, runName string) (st Status, err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return st, fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := checkSchema(ctx, conn, b); err != nil {
		return st, err
	}
	keyType, err := ledgerType(ctx, conn, b)
	if err != nil {
		return st, err
	}
	r := statusReader{conn: conn, book: b, names: sqlNames(b, keyType), st: Status{Deliveries: map[billing.State]int64{}, Failed: []FailedReason{}}}
	r.table = b.Own("deliveries")
	for _, read := range []func(context.Context) error{
		r.readNow, r.readConnected, r.readPending, r.readOpen, r.readReasons, r.readSending, r.readDone, r.readRuns,
	} {
		if err := read(ctx); err != nil {
			return st, err
		}
	}
	key := advisory.NewRunKey(runName)
	r.st.RunLock = RunLock{Name: runName, Key: key.String()}
	r.st.RunLock.Holders, err = advisory.Holders(ctx, conn, key)
	return r.st, err
}

// each runs a query of queries/ and calls f for each row, scanned into dest.
func (r *statusReader) each(ctx context.Context, name string, dest []any, f func() error, args ...any) error {
	query, err := sql.Query(name, r.names)
	if err != nil {
		return err
	}
	rows, err := r.conn.Query(ctx, query, args...)
	if err == nil {
		_, err = pgx.ForEachRow(rows, dest, f)
	}
	if err != nil {
		return fmt.Errorf("read the status (%s): %w", name, err)
	}
	return nil
}

func keep() error { return nil }

func (r *statusReader) readNow(ctx context.Context) error {
	return r.conn.QueryRow(ctx, "select now(), current_setting('TimeZone')").Scan(&r.st.At, &r.st.TimeZone)
}

// readPending is the first that meets the user's SQL, which may be wrong by now.
func (r *statusReader) readPending(ctx context.Context) error {
	if _, err := Locate(ctx, r.conn, r.book); err != nil {
		return err
	}
	err := r.each(ctx, "pending_count", []any{&r.st.Pending}, keep)
	refused := pgerr.From(err)
	if refused == nil || passing(err) {
		return err
	}
	statement, err := sql.Query("pending_count", r.names)
	if err != nil {
		return err
	}
	return pendingFragment(r.book, statement).fault(refused)
}

func (r *statusReader) readOpen(ctx context.Context) error {
	for _, state := range []billing.State{billing.Retry, billing.Failed, billing.InDoubt} {
		r.st.Deliveries[state] = 0
	}
	var state billing.State
	var n int64
	var since, due *time.Time
	var age, dueIn float64
	return r.each(ctx, "status_open", []any{&state, &n, &since, &due, &age, &dueIn}, func() error {
		r.st.Deliveries[state] = n
		switch state {
		case billing.Retry:
			r.st.RetryDueAt, r.st.RetryDueIn = due, seconds(dueIn)
		case billing.InDoubt:
			r.st.InDoubtSince, r.st.InDoubtFor = since, seconds(age)
		}
		return nil
	})
}

func (r *statusReader) readReasons(ctx context.Context) error {
	var f FailedReason
	return r.each(ctx, "status_reasons", []any{&f.Count, &f.HTTPStatus, &f.Error, &f.Example}, func() error {
		r.st.Failed = append(r.st.Failed, f)
		return nil
	}, lastReasons)
}

// readDone reads what no index has: counted where the ledger is small, else as
// statistics and runs have it.
func (r *statusReader) readDone(ctx context.Context) error {
	d := r.st.Deliveries
	var cancelled, size, rows, sending int64
	if err := r.each(ctx, "status_cancelled", []any{&cancelled}, keep); err != nil {
		return err
	}
	d[billing.Cancelled] = cancelled
	if err := r.each(ctx, "status_size", []any{&size, &rows}, keep, r.table); err != nil {
		return err
	}
	if size <= countedUpTo {
		var sent int64
		err := r.each(ctx, "status_counted", []any{&sent, &r.st.SentToday, &sending}, keep)
		d[billing.Sent], d[billing.Sending] = sent, sending
		return err
	}
	r.st.Estimated = true
	if rows >= 0 {
		d[billing.Sent] = max(0, rows-d[billing.Retry]-d[billing.Failed]-d[billing.InDoubt]-d[billing.Cancelled]-d[billing.Sending])
	}
	return r.each(ctx, "status_sent_today", []any{&r.st.SentToday}, keep)
}

func (r *statusReader) readRuns(ctx context.Context) error {
	query, err := sql.Query("status_runs", r.names)
	if err != nil {
		return err
	}
	rows, err := r.conn.Query(ctx, query, lastRuns)
	if err == nil {
		r.st.Runs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Run, error) {
			var run Run
			err := row.Scan(&run.ID, &run.Name, &run.Strategy, &run.RunLock, &run.Application, &run.Version,
				&run.StartedAt, &run.FinishedAt, &run.ExitCode, &run.Summary)
			run.Alive = run.FinishedAt == nil && r.connected[run.Application]
			return run, err
		})
	}
	if err != nil {
		return fmt.Errorf("read the last runs: %w", err)
	}
	return nil
}
