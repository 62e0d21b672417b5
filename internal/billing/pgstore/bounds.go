package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
)

const (
	// readTime is how long the server works on one statement that reads. The client gives
	// up a little later.
	readTime = 80 * time.Second
	// rowsTime is the same for a statement that reads or marks a page or a group of invoices
	// by the user's SQL. One that takes longer may hang on one of them, which is looked for.
	rowsTime = 10 * time.Second
	// tableWait is how long one waits for who has locked a table as a whole.
	tableWait = 5 * time.Second
	// askTableAfter is when a statement that reads takes so long that it may be waiting.
	askTableAfter = 2 * time.Second
)

// readLimits bound statements that read. set is "set" or "set local".
func readLimits(set string) string {
	return fmt.Sprintf("; %s lock_timeout = %d; %[1]s statement_timeout = %[3]d", set, tableWait.Milliseconds(), readTime.Milliseconds())
}

// readSettings are for a transaction that reads.
func (s *Store) readSettings(conn *pgx.Conn) string {
	return advisory.TransactionSettings(conn, s.cfg.LongestRequest) + readLimits("set local")
}

// TableHeldError says that another session has locked the invoices' table as a whole.
type TableHeldError struct {
	Holder string // empty: it was not found out
	Err    error
}

func (e *TableHeldError) Error() string {
	who := "another session"
	if e.Holder != "" {
		who = e.Holder
	}
	return fmt.Sprintf("%s has locked a table that this run needs (ALTER TABLE, VACUUM FULL and LOCK do); the next run goes on once it has ended: %v", who, e.Err)
}

func (e *TableHeldError) Unwrap() []error { return []error{billing.ErrTableHeld, e.Err} }

// timeFor is how long a statement may take that reads some invoices among which one is
// looked for on which the user's SQL hangs: the fewer, the less is lost with those that
// hang, but one alone is given time.
func (s *Store) timeFor(invoices int) time.Duration {
	most := s.cfg.RowsTime
	if invoices == 1 {
		return most / 2
	}
	return min(most/10+time.Duration(invoices)*most/2000, most)
}

func within(d time.Duration) string {
	return fmt.Sprintf("set local statement_timeout = %d", d.Milliseconds())
}

// slowError says that a statement that reads was given up.
type slowError struct {
	after time.Duration
	err   error
}

func (e *slowError) Error() string {
	return fmt.Sprintf("the database took longer than %s to read what is pending; look at what INVOICES_PENDING and a view in INVOICES_TABLE call, and let `batch doctor` name an index: %v", e.after, e.err)
}

func (e *slowError) Unwrap() error { return e.err }

// bounded runs statements that read, and says what was in their way. limit is how long
// the server works on each.
func (s *Store) bounded(ctx context.Context, limit time.Duration, f func() error) error {
	began, holder := time.Now(), s.watchTable(ctx)
	err := f()
	who := holder()
	switch {
	case lockTimeout(err):
		return &TableHeldError{who, err}
	case tookTooLong(err) && time.Since(began) >= limit:
		if limit < readTime {
			s.hangs.met.Store(true)
		}
		return &slowError{limit, err}
	}
	return err
}

// failsOnRow says that the user's SQL fails on some row, or may hang on one.
func failsOnRow(err error) bool {
	var slow *slowError
	return pgerr.FailsOnData(err) || errors.As(err, &slow)
}

// mayPassSoon says whether a statement that reads, or locks rows, may succeed if it is
// tried again at once.
func mayPassSoon(err error) bool {
	var slow *slowError
	var held *TableHeldError
	return !errors.As(err, &slow) && !errors.As(err, &held) && passing(err)
}

// watchTable asks who is in the writer's way, if what it does takes long. What it returns
// ends the watch, and tells.
func (s *Store) watchTable(ctx context.Context) func() string {
	told := make(chan string, 1)
	timer := time.AfterFunc(askTableAfter, func() {
		var names []string
		_ = s.settler.use(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
			names, err = blocking(ctx, conn, 0)
			return err
		})
		told <- strings.Join(names, ", ")
	})
	return func() string {
		if timer.Stop() {
			return ""
		}
		return <-told
	}
}
