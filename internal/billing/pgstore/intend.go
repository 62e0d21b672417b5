package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/failpoint"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/internal/words"
	"github.com/billonce/billonce/sql"
)

// commitBegins commits all intents in one transaction. When the connection breaks, the fate of its commit is unknown:
// the same statement is sent again, which waits for the first try's
// transaction to end, and then the ledger says whose the rows are.
// broken: it was tried already, and the fate of that commit is unknown.
func (s *Store) commitBegins(ctx context.Context, intents []billing.Intent, broken bool) (map[billing.InvoiceID]struct{}, error) {
	ctx, cancel := patiently(ctx)
	defer cancel()
	ours := make(map[billing.InvoiceID]struct{}, len(intents))
	err := persist(ctx, func() error {
		clear(ours) // what a try returned whose commit then failed is nobody's
		return s.writer.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			held, err := s.intendOnce(ctx, conn, intents, ours)
			if err == nil && broken && len(ours) < len(intents) {
				err = s.readBackIntents(ctx, conn, intents, ours)
			}
			if err == nil && len(ours) == 0 {
				err = s.whyNone(ctx, conn, held)
			}
			return err
		})
	}, func(err error, try int) {
		broken = true
		s.cfg.Log.Warn().Err(err).Int("try", try).Msg("recording intents again: it is not known whether they were committed")
	})
	if err != nil {
		return nil, err
	}
	return ours, nil
}

// whyNone is the error where no intent was written: a pause, or what holds new ones
// back. That others were faster is none.
func (s *Store) whyNone(ctx context.Context, conn *pgx.Conn, held int) error {
	pause, err := readPause(ctx, conn, s.sql.paused)
	switch {
	case err != nil:
		return err
	case pause != nil:
		return fmt.Errorf("%w by %s: %s", billing.ErrPaused, pause.By, pause.Reason)
	case held > 0:
		return heldBackError(0, held)
	}
	return nil
}

var errHeldBack = errors.New("does a trigger or a rule on the ledger hold them back?")

func heldBackError(n, of int) error {
	return fmt.Errorf("%d of %d new deliveries were recorded, with no error: %w", n, of, errHeldBack)
}

// intendOnce takes it that the fence does not hold, and is told if it does. held is how
// many new deliveries were not written, with no error.
func (s *Store) intendOnce(ctx context.Context, conn *pgx.Conn, intents []billing.Intent, ours map[billing.InvoiceID]struct{}) (held int, err error) {
	held, err = s.intend(ctx, conn, intents, ours, false)
	if !pgerr.Is(err, pgerrcode.UniqueViolation) {
		return held, err
	}
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		return 0, err
	}
	clear(ours)
	return s.intend(ctx, conn, intents, ours, true)
}

func (s *Store) intend(ctx context.Context, conn *pgx.Conn, intents []billing.Intent, ours map[billing.InvoiceID]struct{}, fenced bool) (held int, err error) {
	w := s.newWriting()
	came := s.queueIntents(w, intents, ours, fenced)
	if err := w.commit(ctx, conn); err != nil {
		return 0, err
	}
	return came()
}

// queueIntents adds intents to a transaction. came is asked once that is committed: held
// is how many new deliveries were not written, with no error.
func (s *Store) queueIntents(w *writing, intents []billing.Intent, ours map[billing.InvoiceID]struct{}, fenced bool) (came func() (held int, err error)) {
	w.intends = true
	deadline := latest(intents)
	var fresh struct {
		id, key               []string
		body, request, lookup [][]byte
		billed                amounts
	}
	var again struct {
		id, state, run        []string
		attempt, runAttempt   []int32
		body, request, lookup [][]byte
		keyLife               time.Duration
		billed                amounts
	}
	for _, i := range intents {
		if i.Seen == nil {
			fresh.id = append(fresh.id, string(i.InvoiceID))
			fresh.key = append(fresh.key, i.Key)
			fresh.body = append(fresh.body, i.BodySHA256)
			fresh.request = append(fresh.request, i.RequestSHA256)
			fresh.lookup = append(fresh.lookup, i.LookupSHA256)
			fresh.billed.add(i.Amount)
			continue
		}
		again.id = append(again.id, string(i.InvoiceID))
		again.state = append(again.state, string(i.Seen.State))
		again.attempt = append(again.attempt, int32(i.Seen.Attempt))
		again.run = append(again.run, i.Seen.RunID.String())
		again.runAttempt = append(again.runAttempt, int32(i.RunAttempt))
		again.body = append(again.body, i.BodySHA256)
		again.request = append(again.request, i.RequestSHA256)
		again.lookup = append(again.lookup, i.LookupSHA256)
		again.keyLife = i.KeyLife
		again.billed.add(i.Amount)
	}
	written := 0 // of the new ones
	collect := func(rows pgx.Rows) error { return collectIDs(rows, ours) }
	if len(fresh.id) > 0 {
		args := []any{keys(fresh.id), keys(fresh.key), fresh.body, s.runID(), deadline.Seconds(), fresh.request, fresh.lookup, fresh.billed.values, fresh.billed.currencies}
		if fenced {
			written = len(fresh.id)
			w.query(collect, s.sql.intendFenced, args...)
		} else {
			w.exec(func(n int64) error {
				written = int(n)
				return nil
			}, s.sql.intendNew, args...)
		}
	}
	if len(again.id) > 0 {
		w.query(collect, s.sql.intendAgain, keys(again.id), again.state, again.attempt, keys(again.run), again.runAttempt, again.body,
			s.runID(), deadline.Seconds(), again.request, again.lookup, again.billed.values, again.billed.currencies, again.keyLife.Seconds())
	}
	return func() (held int, err error) {
		switch {
		case fenced:
		case written == 0: // a pause does that, too
			return len(fresh.id), nil
		case written < len(fresh.id):
			return 0, heldBackError(written, len(fresh.id))
		default:
			for _, id := range fresh.id {
				ours[billing.InvoiceID(id)] = struct{}{}
			}
		}
		return 0, nil
	}
}

// amounts are what invoices bill, each part null where it is not known.
type amounts struct{ values, currencies []*string }

func (a *amounts) add(one billing.Amount) {
	a.values = append(a.values, orNull(one.Value))
	a.currencies = append(a.currencies, orNull(words.Storable(one.Currency)))
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (s *Store) readBackIntents(ctx context.Context, conn *pgx.Conn, intents []billing.Intent, ours map[billing.InvoiceID]struct{}) error {
	var ids []string
	var attempts []int32
	for _, i := range intents {
		if _, ok := ours[i.InvoiceID]; !ok {
			ids = append(ids, string(i.InvoiceID))
			attempts = append(attempts, int32(i.Attempt))
		}
	}
	rows, err := conn.Query(ctx, s.sql.intended, keys(ids), attempts, s.runID())
	if err != nil {
		return err
	}
	return collectIDs(rows, ours)
}

func collectIDs(rows pgx.Rows, into map[billing.InvoiceID]struct{}) error {
	return eachID(func(id string) { into[billing.InvoiceID(id)] = struct{}{} })(rows)
}

// eachID calls f for each row of a result that is one id a row.
func eachID(f func(id string)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var id string
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
			f(id)
			return nil
		})
		return err
	}
}

// writing is a transaction in one round trip.
type writing struct {
	batch       pgx.Batch
	begun       bool
	guarded     bool          // mark.sql's flag
	markTime    time.Duration // for marking, at most; 0: as long as for any group
	prompt      bool          // it waits for nobody
	settles     bool          // it holds settlements
	intends     bool          // it holds intents
	transaction string        // its id, as the rows that it writes have it (xmin)
	timeline    string        // that it is for; empty: any
}

func (s *Store) newWriting() *writing {
	w := &writing{}
	w.batch.Queue(sql.BeginWriting).Exec(func(pgconn.CommandTag) error {
		w.begun = true
		return nil
	})
	s.settings(w)
	return w
}

// settings are the transaction's own, and have it fail anywhere but at home.
func (s *Store) settings(w *writing) {
	text, args := sql.WriterSettings, []any(nil)
	if home := s.home.Load(); home != nil && home.timeline != "" {
		w.timeline = home.timeline
		text, args = text+sql.OnTimeline, []any{home.timeline}
		switch {
		case home.told:
			w.batch.Queue(s.sql.runStands, s.runID(), home.place())
		case home.again:
			text, args = text+sql.OnServer, append(args, home.Server)
		}
	}
	w.query(func(rows pgx.Rows) error {
		for rows.Next() {
			w.transaction = string(rows.RawValues()[0])
		}
		return rows.Err()
	}, text, args...)
}

func (w *writing) query(collect func(pgx.Rows) error, text string, args ...any) {
	w.batch.Queue(text, args...).Query(collect)
}

// exec queues a statement, and has told called with the number of rows that it wrote.
func (w *writing) exec(told func(n int64) error, text string, args ...any) {
	w.batch.Queue(text, args...).Exec(func(tag pgconn.CommandTag) error { return told(tag.RowsAffected()) })
}

// discard sends the transaction, and takes it back.
func (w *writing) discard(ctx context.Context, conn *pgx.Conn) error {
	w.batch.Queue("rollback")
	err := conn.SendBatch(ctx, &w.batch).Close()
	if !w.begun {
		return begun(err)
	}
	return err
}

// commit sends the transaction. An error before the commit leaves it aborted,
// and the link then closes the connection.
func (w *writing) commit(ctx context.Context, conn *pgx.Conn) error {
	w.batch.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return errors.New("the database rolled the transaction back")
		}
		return nil
	})
	if w.settles {
		failpoint.Hit("before_settle_commit")
	}
	if w.intends {
		failpoint.Hit("before_intent_commit")
	}
	err := w.send(ctx, conn)
	if w.intends {
		failpoint.Fail("after_intent_commit", &err)
	}
	if w.settles {
		failpoint.Fail("after_settle_commit", &err)
	}
	return err
}

// send sends what is queued.
func (w *writing) send(ctx context.Context, conn *pgx.Conn) error {
	err := conn.SendBatch(ctx, &w.batch).Close()
	switch {
	case !w.begun:
		return begun(err)
	case w.timeline != "" && w.transaction == "" && pgerr.Is(err, pgerrcode.InvalidTextRepresentation):
		return fmt.Errorf("%w: %w", billing.ErrFailedOver, err)
	}
	return err
}
