package pgdesk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/sql"
)

const (
	lastRuns    = 5 // that a status shows
	lastReasons = 10
	lookedAt    = 200 // deliveries that may hold their values back
	waiting     = 500 // deliveries that may have been throttled

	// countedUpTo is the ledger's size up to which everything is counted; a
	// larger one is not read as a whole. It holds about 90,000 deliveries.
	countedUpTo = 16 << 20
)

// StatusBook is what a status asks of a book of invoices.
type StatusBook interface {
	// Names are what the statements are filled with, once the ledger and the invoices
	// are there. The user's SQL is not tried.
	Names(ctx context.Context, conn *pgx.Conn) (sql.Names, error)
	// PendingFault blames INVOICES_PENDING for an error of a statement that holds it,
	// if that is to blame.
	PendingFault(statement string, err error) error
}

// StatusConfig is whose status it is.
type StatusConfig struct {
	Conn      *pgx.ConnConfig
	Book      StatusBook
	Namespace string // LOCK_NAMESPACE
	RunName   string
	// Quick is for a page that is read every second: it leaves out why deliveries failed and
	// since when they are open, and looks at no more than [quickWalk] pending invoices for what is under way.
	Quick bool
}

// statusReader reads a status, piece by piece.
type statusReader struct {
	StatusConfig
	conn      *pgx.Conn
	names     sql.Names
	table     string          // the ledger's
	connected map[string]bool // application names
	st        desk.Status
}

// ReadStatus reads a book's status. It changes nothing and takes no locks.
func ReadStatus(ctx context.Context, c StatusConfig) (st desk.Status, err error) {
	conn, err := pgx.ConnectConfig(ctx, c.Conn)
	if err != nil {
		return st, fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	r := statusReader{StatusConfig: c, conn: conn, st: desk.Status{Deliveries: map[billing.State]int64{}, Failed: []desk.FailedReason{}}}
	if r.names, err = c.Book.Names(ctx, conn); err != nil {
		return st, err
	}
	r.table = r.names.Schema + ".deliveries"
	for _, read := range []func(context.Context) error{
		r.readNow, r.readPause, r.readNotBefore, r.readIdentity, r.readConnected, r.readPending, r.readOpen, r.readOpenCount, r.readReasons, r.readSending, r.readDone, r.readRuns, r.readThrottled, r.readReconciled, r.readRunLock, r.readRate, r.readHeldBack,
	} {
		if err := read(ctx); err != nil {
			return st, err
		}
	}
	return r.st, nil
}

func (r *statusReader) readRunLock(ctx context.Context) (err error) {
	key := advisory.NewRunKey(r.RunName)
	r.st.RunLock = desk.RunLock{Name: r.RunName, Key: key.String()}
	r.st.RunLock.Holders, err = advisory.Holders(ctx, r.conn, key)
	return err
}

// readHeldBack asks nothing where no values are kept apart.
func (r *statusReader) readHeldBack(ctx context.Context) error {
	if r.names.OnePer == "" {
		return nil
	}
	var h desk.HeldBack
	_, err := r.eachPending(ctx, "status_held_back", []any{&h.Value, &h.InvoiceID, &h.State, &h.Count}, func() error {
		r.st.HeldBack = append(r.st.HeldBack, h)
		return nil
	}, lookedAt, lastReasons)
	return err
}

func (r *statusReader) readRate(ctx context.Context) error {
	err := r.conn.QueryRow(ctx, advisory.OnPrimary+"select id from "+r.names.Schema+".ledger").Scan(&r.st.Rate.Name)
	if err != nil {
		return fmt.Errorf("read the ledger's identity: %w", err)
	}
	key := advisory.NewRateKey(r.st.Rate.Name)
	r.st.Rate.Key = key.String()
	r.st.Rate.Holders, err = advisory.Holders(ctx, r.conn, key)
	return err
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
	return r.conn.QueryRow(ctx, advisory.OnPrimary+"select now(), current_setting('TimeZone')").Scan(&r.st.At, &r.st.TimeZone)
}

func (r *statusReader) readPause(ctx context.Context) (err error) {
	r.st.Paused, err = readPause(ctx, r.conn, r.names)
	return err
}

func (r *statusReader) readNotBefore(ctx context.Context) error {
	return r.each(ctx, "not_before", []any{&r.st.NotBefore}, keep)
}

func (r *statusReader) readIdentity(ctx context.Context) (err error) {
	if r.st.Identity, r.st.Accepted, err = readIdentity(ctx, r.conn, r.names); err != nil {
		return err
	}
	r.st.Trusted, err = readTrust(ctx, r.conn, r.names)
	return err
}

// countTime bounds what counts pending invoices: the user's SQL may take for ever.
const countTime = 20 * time.Second

// eachPending is each for a statement that holds the user's SQL. It fails within a time;
// uncounted: on what a row holds, or then.
func (r *statusReader) eachPending(ctx context.Context, name string, dest []any, f func() error, args ...any) (uncounted bool, err error) {
	err = within(ctx, r.conn, countTime, func() error { return r.each(ctx, name, dest, f, args...) })
	if failsOnRow(err) {
		return true, nil
	}
	return false, err
}

// readPending is the first that meets the user's SQL, which may be wrong by now.
func (r *statusReader) readPending(ctx context.Context) error {
	uncounted, err := r.eachPending(ctx, "pending_count", []any{&r.st.Pending}, keep)
	if uncounted { // a number that can't be read is left out
		r.st.PendingUnknown = true
	}
	if err == nil || uncounted {
		return err
	}
	statement, qerr := sql.Query("pending_count", r.names)
	if qerr != nil {
		return qerr
	}
	return r.Book.PendingFault(statement, err)
}

func (r *statusReader) readOpen(ctx context.Context) error {
	for _, state := range []billing.State{billing.Retry, billing.Failed, billing.InDoubt} {
		r.st.Deliveries[state] = 0
	}
	var state billing.State
	var n int64
	var since, due *time.Time
	var age, dueIn float64
	query := "status_open"
	if r.Quick {
		query = "status_open_count"
	}
	return r.each(ctx, query, []any{&state, &n, &since, &due, &age, &dueIn}, func() error {
		r.st.Deliveries[state] = n
		switch state {
		case billing.Retry:
			r.st.RetryDueAt, r.st.RetryDueIn = due, seconds(dueIn)
		case billing.SubmittedState:
			r.st.SubmittedSince, r.st.SubmittedDueAt, r.st.SubmittedDueIn = since, due, seconds(dueIn)
		case billing.InDoubt:
			r.st.InDoubtSince, r.st.InDoubtFor = since, seconds(age)
		}
		return nil
	})
}

func (r *statusReader) readReasons(ctx context.Context) error {
	if r.Quick {
		return nil
	}
	var f desk.FailedReason
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

// readThrottled asks nothing where no run is under way: then nothing is slowed down.
func (r *statusReader) readThrottled(ctx context.Context) error {
	if !slices.ContainsFunc(r.st.Runs, func(run desk.Run) bool { return run.Alive }) {
		return nil
	}
	return r.each(ctx, "status_throttled", []any{&r.st.Throttled}, keep, waiting)
}

func (r *statusReader) readRuns(ctx context.Context) error {
	query, err := sql.Query("status_runs", r.names)
	if err != nil {
		return err
	}
	var settings []map[string]string
	rows, err := r.conn.Query(ctx, query, lastRuns+1)
	if err == nil {
		r.st.Runs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (desk.Run, error) {
			var run desk.Run
			var fingerprints map[string]string
			err := row.Scan(&run.ID, &run.Name, &run.Strategy, &run.RunLock, &run.Application, &run.Version,
				&run.StartedAt, &run.FinishedAt, &run.ExitCode, &run.Summary, &run.WrittenOffAt, &fingerprints, &run.Identity)
			settings = append(settings, fingerprints)
			run.Alive = run.FinishedAt == nil && run.WrittenOffAt == nil && r.connected[run.Application]
			return run, err
		})
	}
	if err != nil {
		return fmt.Errorf("read the last runs: %w", err)
	}
	for i := range len(r.st.Runs) - 1 {
		r.st.Runs[i].Changed = billing.ChangedSettings(settings[i+1], settings[i])
	}
	r.st.Runs = r.st.Runs[:min(lastRuns, len(r.st.Runs))]
	return nil
}
