package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"billonce/internal/billing"
	"billonce/internal/pgerr"
)

// rangeMost is how many ids are read at once where the row is looked for on which the
// user's SQL fails.
const rangeMost = 8192

// failsOnData says that the user's SQL fails on what a row holds, or a function that it
// calls does: not on every row, as one that is wrong or not allowed. What a function
// raises may have any code.
func failsOnData(err error) bool {
	if said := pgerr.From(err); said != nil && said.Routine == "exec_stmt_raise" {
		return true
	}
	for _, class := range []string{
		pgerrcode.DataException, pgerrcode.CardinalityViolation, pgerrcode.IntegrityConstraintViolation,
		pgerrcode.PLpgSQLError, pgerrcode.ExternalRoutineException, pgerrcode.SQLRoutineException, pgerrcode.ProgramLimitExceeded,
	} {
		if pgerr.InClass(err, class) {
			return true
		}
	}
	return false
}

// rowError says on which row the user's SQL fails, in PostgreSQL's words.
type rowError struct {
	what string
	err  error
}

func (e *rowError) Error() string {
	said := e.err.Error()
	if pg := pgerr.From(e.err); pg != nil {
		said = pg.Message
	}
	return e.what + ": " + said
}

func (e *rowError) Unwrap() error { return e.err }

// scanAround is Scan where INVOICES_PENDING fails on some row: it goes over all ids, a
// range at a time, and finds the row by halving the range.
func (s *Store) scanAround(ctx context.Context, after, upTo *billing.InvoiceID, limit int) (page []billing.Candidate, err error) {
	for span := limit; len(page) < limit; span = min(2*span, rangeMost) {
		ids, err := s.idsWithin(ctx, after, upTo, span)
		if err != nil || len(ids) == 0 {
			return page, err
		}
		found, err := s.scanRange(ctx, after, ids)
		if err != nil {
			return page, err
		}
		page, after = append(page, found...), &ids[len(ids)-1]
		if len(ids) < span {
			break
		}
	}
	return page[:min(len(page), limit)], nil
}

func (s *Store) idsWithin(ctx context.Context, after, upTo *billing.InvoiceID, limit int) (ids []billing.InvoiceID, err error) {
	query, args := s.within(after, upTo, limit, s.sql.keys, s.sql.keysAfter, s.sql.keysUpTo, s.sql.keysAfterUpTo)
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		ids = nil
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		return eachID(func(id string) { ids = append(ids, billing.InvoiceID(id)) })(rows)
	})
	return ids, err
}

// scanRange scans the ids, which are all that lie behind after up to their last.
func (s *Store) scanRange(ctx context.Context, after *billing.InvoiceID, ids []billing.InvoiceID) ([]billing.Candidate, error) {
	query, args := s.within(after, &ids[len(ids)-1], len(ids), "", "", s.sql.scanGuarded, s.sql.scanGuardedAfter)
	page, err := s.scanOnce(ctx, query, args)
	switch {
	case !failsOnData(err):
		return page, err
	case len(ids) == 1:
		c := billing.Candidate{ID: ids[0], Fault: &rowError{"INVOICES_PENDING fails on it", err}}
		seen, err := s.delivery(ctx, ids[0])
		if seen != nil {
			c.State, c.DueIn, c.RunID, c.Attempt, c.RunAttempt = seen.State, seen.DueIn, seen.RunID, seen.Attempt, seen.RunAttempt
		}
		return []billing.Candidate{c}, err
	}
	half := len(ids) / 2
	lower, err := s.scanRange(ctx, after, ids[:half])
	if err != nil {
		return nil, err
	}
	upper, err := s.scanRange(ctx, &ids[half-1], ids[half:])
	return append(lower, upper...), err
}

// lookAround is Look where the user's SQL fails on one of the rows.
func (s *Store) lookAround(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error) {
	seen, err := s.look(ctx, ids, s.sql.lookGuarded)
	switch {
	case !failsOnData(err):
		return seen, err
	case len(ids) == 1:
		inv := billing.Invoice{ID: ids[0], Fault: &rowError{"its row can't be read", err}}
		inv.Delivery, err = s.delivery(ctx, ids[0])
		return []billing.Invoice{inv}, err
	}
	half := len(ids) / 2
	lower, err := s.lookAround(ctx, ids[:half])
	if err != nil {
		return nil, err
	}
	upper, err := s.lookAround(ctx, ids[half:])
	return append(lower, upper...), err
}

// delivery is what the ledger says about an invoice; nil: nothing.
func (s *Store) delivery(ctx context.Context, id billing.InvoiceID) (seen *billing.Delivery, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.lookLedger, keys([]billing.InvoiceID{id}))
		if err != nil {
			return err
		}
		all, err := scanDeliveries(rows)
		seen = all[id]
		return err
	})
	return seen, err
}

// KeepSetAside keeps in mind what a run has set aside, for people.
func (s *Store) KeepSetAside(ctx context.Context, found billing.FoundSetAside) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), finishPatience,
		fmt.Errorf("the database was away for %s", finishPatience))
	defer cancel()
	ids, reasons := make([]billing.InvoiceID, len(found.Invoices)), make([]string, len(found.Invoices))
	for i, a := range found.Invoices {
		ids[i], reasons[i] = a.ID, printable(a.Reason)
	}
	err := s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.batch.Queue(s.sql.setAsideOver, found.Whole, keys(ids))
		if len(ids) > 0 {
			w.batch.Queue(s.sql.setAside, keys(ids), reasons, s.runID())
		}
		return w.commit(ctx, conn)
	})
	if err != nil {
		return fmt.Errorf("keep in mind what is set aside: %w", err)
	}
	return nil
}
