package pgstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/sql"
)

const (
	// hangsMost is on how many invoices the user's SQL may hang before a run gives up: each
	// costs it about ten seconds, and so many are rather the server's trouble.
	hangsMost = 30
	// hangParts is into how many parts a group is divided one of which hangs: each part
	// that has it takes its time, the others nearly none.
	hangParts = 16
)

// hangs knows the invoices on which the user's SQL hangs: each costs a run its time once.
type hangs struct {
	met    atomic.Bool // a statement took so long that it may hang on one
	ids    atomic.Bool // even one that reads ids alone did: the view itself hangs
	mu     sync.Mutex
	on     map[billing.InvoiceID]error
	spaces [][2]int64 // of integers; where only these can be asked for
}

var errMayHang = errors.New("a statement before this one did")

// spaceParts is hangParts for integers of which most are no ids.
const spaceParts = 256

// error is what a statement would come to that is tried on any invoice; nil: it may be.
func (h *hangs) error() error {
	if !h.met.Load() {
		return nil
	}
	return &slowError{rowsTime, errMayHang}
}

// known is what was wrong with an invoice on which the user's SQL hangs; nil: it is none.
func (h *hangs) known(id billing.InvoiceID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.on[id]
}

// noteSpace keeps in mind that the user's SQL hangs on an integer behind after, up to upTo.
func (h *hangs) noteSpace(after, upTo int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spaces = append(h.spaces, [2]int64{after, upTo})
}

// within is known of all integers behind after, up to upTo.
func (h *hangs) within(after, upTo int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, space := range h.spaces {
		if after <= space[0] && space[1] <= upTo {
			return &slowError{rowsTime, errMayHang}
		}
	}
	return nil
}

// faultOf is what is wrong with an invoice on which the user's SQL fails or hangs.
func (h *hangs) faultOf(id billing.InvoiceID, what string, err error) (fault, tooMany error) {
	fault = &rowError{what, err}
	var slow *slowError
	if !errors.As(err, &slow) {
		return fault, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if before, known := h.on[id]; known {
		return before, nil
	}
	if len(h.on) == hangsMost {
		return nil, fmt.Errorf("%w (on each of %d invoices, %s for one)", err, hangsMost+1, id)
	}
	if h.on == nil {
		h.on = make(map[billing.InvoiceID]error)
	}
	h.on[id] = fault
	return fault, nil
}

// apart divides ids, so that each on which the user's SQL hangs is alone.
func (h *hangs) apart(ids []billing.InvoiceID) (groups [][]billing.InvoiceID) {
	from := 0
	for i, id := range ids {
		if h.known(id) == nil {
			continue
		}
		if from < i {
			groups = append(groups, ids[from:i])
		}
		groups, from = append(groups, ids[i:i+1]), i+1
	}
	if from < len(ids) {
		groups = append(groups, ids[from:])
	}
	return groups
}

// parts is into how many parts a group is divided on which the user's SQL fails or hangs.
func parts(err error) int {
	if pgerr.FailsOnData(err) {
		return 2
	}
	return hangParts
}

// inParts runs f on parts of the ids, which fail together, one after the other.
func inParts(err error, ids []billing.InvoiceID, f func(part []billing.InvoiceID) error) error {
	n := parts(err)
	for part := range slices.Chunk(ids, (len(ids)+n-1)/n) {
		if err := f(part); err != nil {
			return err
		}
	}
	return nil
}

// readRows reads invoices by the user's SQL.
func (s *Store) readRows(ctx context.Context, query string, args []any, collect func(pgx.Rows) error) error {
	return s.readWithin(ctx, s.cfg.RowsTime, query, args, collect, within(s.cfg.RowsTime))
}

// readCarefully reads where the user's SQL fails or hangs on some row: by indexes, so that
// a condition of a view's own, which no CASE can guard, is tried on no row but those that
// are asked for. among is how many those may be.
func (s *Store) readCarefully(ctx context.Context, among int, query string, args []any, collect func(pgx.Rows) error) error {
	limit := s.timeFor(among)
	return s.readWithin(ctx, limit, query, args, collect, within(limit), sql.ByIndex)
}

func (s *Store) readWithin(ctx context.Context, limit time.Duration, query string, args []any, collect func(pgx.Rows) error, settings ...string) error {
	return s.insist(ctx, limit, func() error {
		return s.writer.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			if s.cfg.Pooled {
				// Several statements in one text, which only the simple protocol takes.
				if err := conn.PgConn().Exec(ctx, "begin; "+s.readSettings(conn)).Close(); err != nil {
					return fmt.Errorf("begin: %w", err)
				}
			}
			return queryRows(ctx, conn, query, args, collect, settings...)
		})
	})
}

// queryRows runs a statement under settings of its own, and ends the transaction.
func queryRows(ctx context.Context, conn *pgx.Conn, query string, args []any, collect func(pgx.Rows) error, settings ...string) error {
	var batch pgx.Batch
	if conn.PgConn().TxStatus() == 'I' {
		batch.Queue("begin")
	}
	for _, setting := range settings {
		batch.Queue(setting)
	}
	batch.Queue(query, args...).Query(collect)
	batch.Queue("commit")
	err := conn.SendBatch(ctx, &batch).Close()
	if err != nil && conn.PgConn().TxStatus() == 'E' {
		// A connection that is made anew prepares all statements anew.
		_, _ = conn.Exec(ctx, "rollback")
	}
	return err
}
