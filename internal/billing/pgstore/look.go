package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/failpoint"
	"github.com/billonce/billonce/sql"
)

// Scan reads pending invoices in the order of their ids, without locks. One on which
// INVOICES_PENDING fails has that as its Fault.
func (s *Store) Scan(ctx context.Context, after, upTo *billing.InvoiceID, limit int) ([]billing.Candidate, error) {
	query, args := s.within(after, upTo, limit, s.sql.scan, s.sql.scanAfter, s.sql.scanUpTo, s.sql.scanAfterUpTo)
	err := s.hangs.error()
	var page []billing.Candidate
	if err == nil {
		page, err = s.scanOnce(ctx, query, args)
	}
	if failsOnRow(err) {
		return s.scanAround(ctx, after, upTo, limit)
	}
	return page, err
}

// countAhead counts pending invoices between two ids, up to a limit.
func (s *Store) countAhead(ctx context.Context, after, upTo *billing.InvoiceID, limit int) (n int, err error) {
	if err := s.hangs.error(); err != nil {
		return 0, err
	}
	query, args := s.within(after, upTo, limit, s.sql.ahead, s.sql.aheadAfter, s.sql.aheadUpTo, s.sql.aheadAfterUpTo)
	err = s.readRows(ctx, query, args, func(rows pgx.Rows) (err error) {
		n, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
		return err
	})
	return n, err
}

// within chooses among the variants of a statement by its bounds, and has its parameters.
func (s *Store) within(after, upTo *billing.InvoiceID, limit int, all, behind, before, between string) (query string, args []any) {
	query, args = all, []any{limit}
	switch {
	case after != nil && upTo != nil:
		query, args = between, append(args, string(*after), string(*upTo))
	case after != nil:
		query, args = behind, append(args, string(*after))
	case upTo != nil:
		query, args = before, append(args, string(*upTo))
	}
	if len(s.cfg.Only) > 0 {
		args = append(args, keys(s.cfg.Only))
	}
	return query, args
}

func (s *Store) scanOnce(ctx context.Context, query string, args []any) (page []billing.Candidate, err error) {
	failpoint.Hit("before_scan")
	err = s.readRows(ctx, query, args, func(rows pgx.Rows) (err error) {
		page, err = pgx.CollectRows(rows, scanCandidate)
		failpoint.Fail("after_scan", &err)
		return err
	})
	return page, err
}

func scanCandidate(row pgx.CollectableRow) (billing.Candidate, error) {
	var c billing.Candidate
	var due zeronull.Float8
	var attempt, runAttempt zeronull.Int4
	into := []any{&c.ID, (*zeronull.Text)(&c.State), &due, (*zeronull.UUID)(&c.RunID), &attempt, &runAttempt}
	if len(row.FieldDescriptions()) > len(into) {
		into = append(into, &c.Value)
	}
	err := row.Scan(into...)
	c.DueIn, c.Attempt, c.RunAttempt = seconds(due), int(attempt), int(runAttempt)
	return c, err
}

// Look reads those of the invoices that are still pending, and their deliveries. One
// whose row can't be read has that as its Fault.
func (s *Store) Look(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error) {
	err := s.hangs.error()
	var seen []billing.Invoice
	if err == nil {
		seen, err = s.look(ctx, ids, s.sql.look)
	}
	if failsOnRow(err) {
		seen, err = s.lookAround(ctx, ids)
	}
	if err == nil {
		seen = setTwinsAside(seen)
	}
	return seen, err
}

func (s *Store) look(ctx context.Context, ids []billing.InvoiceID, query string) (seen []billing.Invoice, err error) {
	err = s.looking(ctx, s.lookTime(query, ids), func(ctx context.Context, conn *pgx.Conn) (err error) {
		failpoint.Hit("before_second_look")
		seen, err = s.lookOnce(ctx, conn, query, ids)
		failpoint.Fail("after_second_look", &err)
		return err
	})
	return seen, err
}

// looking runs a look, which has a transaction of its own, again where the connection
// breaks.
func (s *Store) looking(ctx context.Context, limit time.Duration, f func(ctx context.Context, conn *pgx.Conn) error) error {
	return s.insist(ctx, limit, func() error { return s.writer.use(ctx, f) })
}

func (s *Store) lookTime(look string, ids []billing.InvoiceID) time.Duration {
	if look == s.sql.lookGuarded {
		return s.timeFor(len(ids))
	}
	return s.cfg.RowsTime
}

func (s *Store) lookOnce(ctx context.Context, conn *pgx.Conn, look string, ids []billing.InvoiceID) ([]billing.Invoice, error) {
	wanted := keys(ids)
	pending := make([]billing.InvoiceID, 0, len(ids))
	var all map[billing.InvoiceID]values
	var tried map[billing.InvoiceID]*billing.Delivery
	var batch pgx.Batch
	if s.cfg.Pooled {
		// Several statements in one text, which only the simple protocol takes.
		begin := sql.BeginLooking + "; " + s.readSettings(conn)
		if err := conn.PgConn().Exec(ctx, begin).Close(); err != nil {
			return nil, fmt.Errorf("begin: %w", err)
		}
	} else {
		batch.Queue(sql.BeginLooking)
	}
	batch.Queue(within(s.lookTime(look, ids)))
	if look == s.sql.lookGuarded {
		batch.Queue(sql.ByIndex)
	}
	batch.Queue(look, wanted).Query(eachID(func(id string) { pending = append(pending, billing.InvoiceID(id)) }))
	batch.Queue(s.sql.lookLedger, wanted).Query(func(rows pgx.Rows) (err error) {
		tried, err = scanDeliveries(rows)
		return err
	})
	if s.needsValues() {
		if !s.place.view {
			batch.Queue(sql.ValueSettings)
		}
		batch.Queue(s.sql.values, wanted).Query(func(rows pgx.Rows) (err error) {
			all, err = s.readValues(rows)
			return err
		})
	}
	batch.Queue("commit")
	if err := conn.SendBatch(ctx, &batch).Close(); err != nil {
		if conn.PgConn().TxStatus() == 'E' {
			// A connection that is made anew prepares all statements anew.
			_, _ = conn.Exec(ctx, "rollback")
		}
		return nil, err
	}
	if err := s.readOwn(ctx, conn, tried, all); err != nil {
		return nil, err
	}
	seen := make([]billing.Invoice, 0, len(pending))
	for _, id := range pending {
		v, ok := all[id]
		if !ok && s.needsValues() {
			continue // it is not pending any more
		}
		seen = append(seen, billing.Invoice{ID: id, Row: v.row, Columns: v.columns, Amount: v.amount, Delivery: tried[id], Unread: v.unread})
	}
	return seen, nil
}

// scanDeliveries reads look_ledger.sql.
func scanDeliveries(rows pgx.Rows) (map[billing.InvoiceID]*billing.Delivery, error) {
	all := map[billing.InvoiceID]*billing.Delivery{}
	for rows.Next() {
		var id string
		var d billing.Delivery
		var age, due, deadline, submitted zeronull.Float8
		if err := rows.Scan(&id, &d.State, &d.Attempt, &d.RunAttempt, &d.RunID, &d.Key, &d.BodySHA256, &d.RequestSHA256, &d.LookupSHA256,
			&d.KeyVersion, &d.KeyUse, &d.Again,
			&age, &due, &d.Doubtful, &deadline, &submitted, (*zeronull.Text)(&d.ReplyID), &d.Status); err != nil {
			return nil, err
		}
		d.KeyAge, d.DueIn, d.DeadlineIn, d.SubmittedFor = seconds(age), seconds(due), seconds(deadline), seconds(submitted)
		all[billing.InvoiceID(id)] = &d
	}
	return all, rows.Err()
}

// setTwinsAside leaves one of the invoices that share an id, with that as its Fault: the
// ledger has one row for all of them, and would be no fence between their requests.
func setTwinsAside(invoices []billing.Invoice) []billing.Invoice {
	met := make(map[billing.InvoiceID]int, len(invoices))
	apart := invoices[:0]
	for _, inv := range invoices {
		if i, twice := met[inv.ID]; twice {
			apart[i].Fault = twins(inv.ID)
			continue
		}
		met[inv.ID] = len(apart)
		apart = append(apart, inv)
	}
	return apart
}
