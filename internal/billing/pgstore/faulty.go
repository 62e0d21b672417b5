package pgstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/internal/words"
)

// rangeMost is how many ids are read at once where the row is looked for on which the
// user's SQL fails.
const rangeMost = 8192

// rowError says on which row the user's SQL fails, in PostgreSQL's words.
type rowError struct {
	what string
	err  error
}

func (e *rowError) Error() string {
	said := e.err.Error()
	var slow *slowError
	if errors.As(e.err, &slow) {
		said = fmt.Sprintf("it takes longer than %s; look at what INVOICES_PENDING and a view in INVOICES_TABLE call", slow.after)
	} else if pg := pgerr.From(e.err); pg != nil {
		said = pg.Message
	}
	return e.what + ": " + said
}

func (e *rowError) Unwrap() error { return e.err }

// scanAround is Scan where INVOICES_PENDING fails or hangs on some row: it goes over all
// ids, a range at a time, and finds the row in parts of the range.
func (s *Store) scanAround(ctx context.Context, after, upTo *billing.InvoiceID, limit int) (page []billing.Candidate, err error) {
	for span := limit; len(page) < limit; span = min(2*span, rangeMost) {
		ids, err := s.idsWithin(ctx, after, upTo, span)
		if failsOnRow(err) {
			rest, err := s.scanSpace(ctx, after, upTo, limit-len(page), err)
			return append(page, rest...), err
		}
		if err != nil || len(ids) == 0 {
			return page, err
		}
		for _, group := range s.hangs.apart(ids) {
			found, err := s.scanRange(ctx, after, group)
			if err != nil {
				return page, err
			}
			page, after = append(page, found...), &group[len(group)-1]
		}
		if len(ids) < span {
			break
		}
	}
	return page[:min(len(page), limit)], nil
}

func (s *Store) idsWithin(ctx context.Context, after, upTo *billing.InvoiceID, limit int) (ids []billing.InvoiceID, err error) {
	if s.hangs.ids.Load() {
		return nil, s.hangs.error()
	}
	query, args := s.within(after, upTo, limit, s.sql.keys, s.sql.keysAfter, s.sql.keysUpTo, s.sql.keysAfterUpTo)
	err = s.readCarefully(ctx, rangeMost, query, args, func(rows pgx.Rows) error {
		ids = nil
		return eachID(func(id string) { ids = append(ids, billing.InvoiceID(id)) })(rows)
	})
	s.hangs.ids.Store(failsOnRow(err) && !pgerr.FailsOnData(err))
	return ids, err
}

// scanRange scans the ids, which are all that lie behind after up to their last.
func (s *Store) scanRange(ctx context.Context, after *billing.InvoiceID, ids []billing.InvoiceID) ([]billing.Candidate, error) {
	err := s.hangs.known(ids[0])
	var page []billing.Candidate
	if err == nil {
		page, err = s.scanBetween(ctx, after, ids[len(ids)-1], len(ids), len(ids))
	}
	switch {
	case !failsOnRow(err):
		return page, err
	case len(ids) == 1:
		c, err := s.faulty(ctx, ids[0], "INVOICES_PENDING fails on it", err)
		return []billing.Candidate{c}, err
	}
	page = nil
	return page, inParts(err, ids, func(part []billing.InvoiceID) error {
		found, err := s.scanRange(ctx, after, part)
		page, after = append(page, found...), &part[len(part)-1]
		return err
	})
}

// scanBetween scans behind after, up to an id, with the predicate tried on nothing else.
// among is how many invoices that may be.
func (s *Store) scanBetween(ctx context.Context, after *billing.InvoiceID, upTo billing.InvoiceID, limit, among int) (page []billing.Candidate, err error) {
	query, args := s.within(after, &upTo, limit, "", "", s.sql.scanGuarded, s.sql.scanGuardedAfter)
	err = s.readCarefully(ctx, among, query, args, func(rows pgx.Rows) (err error) {
		page, err = pgx.CollectRows(rows, scanCandidate)
		return err
	})
	return page, err
}

// faulty is a candidate that can't be told to be pending.
func (s *Store) faulty(ctx context.Context, id billing.InvoiceID, what string, err error) (billing.Candidate, error) {
	c := billing.Candidate{ID: id}
	if c.Fault, err = s.hangs.faultOf(id, what, err); err != nil {
		return c, err
	}
	seen, err := s.delivery(ctx, id)
	if seen != nil {
		c.State, c.DueIn, c.RunID, c.Attempt, c.RunAttempt = seen.State, seen.DueIn, seen.RunID, seen.Attempt, seen.RunAttempt
	}
	return c, err
}

// scanSpace is scanAround where not even the ids can be read, since a view's own condition
// fails. It goes over all integers that could be one: twice as many at once as long as
// none fails, fewer where one does.
func (s *Store) scanSpace(ctx context.Context, after, upTo *billing.InvoiceID, limit int, fault error) (page []billing.Candidate, err error) {
	if !s.integerKey() {
		return nil, fmt.Errorf("INVOICES_TABLE: a condition of the view itself fails on a row, and which one can't be found out by a key of type %s; move the condition to INVOICES_PENDING: %w", s.place.keyType, fault)
	}
	at, end := int64(math.MinInt64), int64(math.MaxInt64)
	if s.place.keyType == "integer" {
		at, end = math.MinInt32, math.MaxInt32
	}
	for bound, id := range map[*int64]*billing.InvoiceID{&at: after, &end: upTo} {
		if id == nil {
			continue
		}
		if *bound, err = strconv.ParseInt(string(*id), 10, 64); err != nil {
			return nil, fmt.Errorf("read an id: %w", err)
		}
	}
	if start := integerID(at); failsOnRow(s.probe(ctx, start)) {
		return nil, fmt.Errorf("INVOICES_TABLE: a condition of the view itself fails on a row, and no index leads to the others; move the condition to INVOICES_PENDING: %w", fault)
	}
	for span := uint64(limit); len(page) < limit && at < end; {
		span = min(span, uint64(end)-uint64(at))
		from, to := integerID(at), integerID(int64(uint64(at)+span))
		err := s.hangs.within(at, int64(uint64(at)+span))
		var found []billing.Candidate
		if err == nil {
			found, err = s.scanBetween(ctx, &from, to, limit-len(page), int(min(span, 2)))
			if failsOnRow(err) && !pgerr.FailsOnData(err) {
				s.hangs.noteSpace(at, int64(uint64(at)+span))
			}
		}
		switch {
		case failsOnRow(err) && span > 1:
			if pgerr.FailsOnData(err) {
				span /= 2
			} else {
				span = max(1, span/spaceParts)
			}
			continue
		case failsOnRow(err):
			c, ferr := s.faulty(ctx, to, "its row can't be read", err)
			if ferr != nil {
				return nil, ferr
			}
			found = []billing.Candidate{c}
		case err != nil:
			return nil, err
		}
		page, at = append(page, found...), int64(uint64(at)+span)
		if span < math.MaxUint64/2 {
			span *= 2
		}
	}
	return page, nil
}

// probe reads a range in which no id can be.
func (s *Store) probe(ctx context.Context, id billing.InvoiceID) error {
	_, err := s.scanBetween(ctx, &id, id, 1, 1)
	return err
}

func integerID(n int64) billing.InvoiceID { return billing.InvoiceID(strconv.FormatInt(n, 10)) }

// lookAround is Look where the user's SQL fails or hangs on one of the rows.
func (s *Store) lookAround(ctx context.Context, ids []billing.InvoiceID) (seen []billing.Invoice, err error) {
	if err = s.hangs.known(ids[0]); err == nil {
		seen, err = s.look(ctx, ids, s.sql.lookGuarded)
	}
	switch {
	case !failsOnRow(err):
		return seen, err
	case len(ids) == 1:
		inv := billing.Invoice{ID: ids[0]}
		if inv.Fault, err = s.hangs.faultOf(ids[0], "its row can't be read", err); err == nil {
			inv.Delivery, err = s.delivery(ctx, ids[0])
		}
		return []billing.Invoice{inv}, err
	}
	return seen, inParts(err, ids, func(part []billing.InvoiceID) error {
		of, err := s.lookAround(ctx, part)
		seen = append(seen, of...)
		return err
	})
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
		ids[i], reasons[i] = a.ID, words.Storable(a.Reason)
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
