package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/sql"
)

// Trial is what became of an invoice that was marked sent, and rolled back.
type Trial struct {
	InvoiceID billing.InvoiceID // empty: none was there to be tried
	Fate      Fate
	Refusal   error // the database's, of Refused and NeedsReply
}

// Fate of a trial.
type Fate int

// What marking an invoice comes to.
const (
	Untried      Fate = iota // none was pending, or somebody else was at it
	Marked                   // and pending no more
	StillPending             // though marked
	TooSlow                  // took longer than TrialTimeout
	Unchanged                // a trigger, a rule or a policy swallowed it
	Refused                  // by a constraint, a trigger, a missing right
	NeedsReply               // the same, but without the reply that its placeholders stand for
)

// TrialTimeout is how long one statement of a trial may take.
const TrialTimeout = 10 * time.Second

const trialSettings = sql.ByIndex + "; set local lock_timeout = %d; set local statement_timeout = %d"

// TryMark marks the first pending invoice sent, in a transaction that it rolls
// back: what would refuse an accepted invoice should be known before the first one.
func (e Examined) TryMark(ctx context.Context, conn *pgx.Conn) (t Trial, err error) {
	rows, err := conn.Query(ctx, e.sql.scan, 1)
	if err != nil {
		return t, fmt.Errorf("look for a pending invoice: %w", err)
	}
	page, err := pgx.CollectRows(rows, scanCandidate)
	if err != nil || len(page) == 0 {
		return t, err
	}
	return e.tryMarkOne(ctx, conn, page[0].ID, time.Second)
}

// tryMarkOne marks an invoice sent, in a transaction that it rolls back. It waits for who
// holds it, at most as long as it is told.
func (f fitted) tryMarkOne(ctx context.Context, conn *pgx.Conn, id billing.InvoiceID, wait time.Duration) (t Trial, err error) {
	t.InvoiceID = id
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return t, fmt.Errorf("begin a trial: %w", err)
	}
	defer func() { err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx))) }()
	settings := fmt.Sprintf(trialSettings, wait.Milliseconds(), TrialTimeout.Milliseconds())
	if err := conn.PgConn().Exec(ctx, settings).Close(); err != nil {
		return t, fmt.Errorf("begin a trial: %w", err)
	}
	return t, f.tryMark(ctx, tx, &t)
}

const (
	trialsMost = 10 // invoices that a run tries before its first request
	trialWait  = 100 * time.Millisecond
)

// CantMarkError says that the database refuses INVOICES_MARK_SENT for every invoice that
// was tried: an API that accepts them would leave none of them sent.
type CantMarkError struct {
	Tried   int
	Example billing.InvoiceID
	Refusal error
}

func (e *CantMarkError) Error() string {
	said := e.Refusal.Error()
	if pg := pgerr.From(e.Refusal); pg != nil {
		said = pg.Message
	}
	return fmt.Sprintf("INVOICES_MARK_SENT: the database refuses to mark each of %d pending invoices that were tried (rolled back), invoice %s for one: %s; look at the constraints, triggers and rights of the invoices' table",
		e.Tried, e.Example, said)
}

func (e *CantMarkError) Unwrap() error { return e.Refusal }

// TryMark marks up to ten pending invoices from all over the book, one by one, and takes
// it back, until one can be marked. It returns a *[CantMarkError] if all that could be
// tried are refused. One that somebody holds, whose mark depends on the reply, or that is
// known to be unmarked, proves nothing.
func (s *Store) TryMark(ctx context.Context) error {
	var refused CantMarkError
	met := make(map[billing.InvoiceID]struct{}, trialsMost)
	for place := 0; place < trialsMost && len(met) < trialsMost; place++ {
		ids, anywhere, err := s.pendingAt(ctx, float64(place)/trialsMost)
		if err != nil {
			return fmt.Errorf("look for pending invoices to be tried: %w", err)
		}
		for _, id := range ids {
			if _, twice := met[id]; twice {
				continue
			}
			met[id] = struct{}{}
			t, err := s.tryMarkHere(ctx, id)
			switch {
			case err != nil:
				return fmt.Errorf("try INVOICES_MARK_SENT: %w", err)
			case t.Fate == Refused:
				refused = CantMarkError{refused.Tried + 1, id, t.Refusal}
			case t.Fate == Unchanged, t.Fate == StillPending && len(s.place.book.MarkSent.Paths) == 0:
				refused = CantMarkError{refused.Tried + 1, id, errStaysPending}
			case t.Fate != Untried:
				return nil
			}
		}
		if place > 0 && !anywhere {
			break
		}
	}
	if refused.Tried > 0 {
		return &refused
	}
	return nil
}

func (s *Store) tryMarkHere(ctx context.Context, id billing.InvoiceID) (t Trial, err error) {
	losses := 0
	err = s.insist(ctx, readTime, func() error {
		err := s.writer.use(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
			t, err = s.tryMarkOne(ctx, conn, id, trialWait)
			return err
		})
		if err != nil && lostInUse(err) {
			losses++
		}
		if losses == lossesMost { // marking this one may be what ends the connection
			t.Fate, err = Untried, nil
		}
		return err
	})
	return t, err
}

// pendingAt returns a pending invoice at a place in the book, from 0 to below 1; the first
// ten where places are not known, anywhere says whether they are.
func (s *Store) pendingAt(ctx context.Context, place float64) (ids []billing.InvoiceID, anywhere bool, err error) {
	start, err := s.Start(ctx, place)
	if err != nil {
		return nil, false, err
	}
	n := 1
	if start == nil && place > 0 {
		n = trialsMost
	}
	page, err := s.Scan(ctx, start, nil, n)
	for _, c := range page {
		if c.Fault == nil && c.State != billing.Unmarked {
			ids = append(ids, c.ID)
		}
	}
	return ids, start != nil, err
}

func (f fitted) tryMark(ctx context.Context, tx pgx.Tx, t *Trial) error {
	args := []any{string(t.InvoiceID)}
	for range f.place.book.MarkSent.Paths {
		args = append(args, "{}")
	}
	var pending bool
	err := tx.QueryRow(ctx, f.sql.markTrial, args...).Scan(&pending)
	if err == nil { // what is deferred would be checked by the commit
		_, err = tx.Exec(ctx, "set constraints all immediate")
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return f.notMarked(ctx, tx, t)
	case err != nil:
		return f.refusedMark(t, err)
	case !pending:
		t.Fate = Marked
		return nil
	}
	// RETURNING has tried INVOICES_PENDING alone: a view may show it no more.
	t.Fate = Marked
	if pending, err = f.stillPending(ctx, tx, t.InvoiceID); pending {
		t.Fate = StillPending
	}
	return err
}

// refusedMark tells the database's refusal from what only kept it from answering.
func (f fitted) refusedMark(t *Trial, err error) error {
	switch {
	case pgerr.From(err) == nil || connectionLost(err):
		return fmt.Errorf("mark invoice %s: %w", t.InvoiceID, err)
	case pgerr.Is(err, pgerrcode.QueryCanceled):
		t.Fate = TooSlow
	case passing(err):
		t.Fate = Untried
	case len(f.place.book.MarkSent.Paths) > 0:
		t.Fate, t.Refusal = NeedsReply, err
	default:
		t.Fate, t.Refusal = Refused, err
	}
	return nil
}

// notMarked tells a change that was swallowed from an invoice that somebody else
// has marked meanwhile.
func (f fitted) notMarked(ctx context.Context, tx pgx.Tx, t *Trial) error {
	pending, err := f.stillPending(ctx, tx, t.InvoiceID)
	if pending {
		t.Fate = Unchanged
	}
	return err
}

func (f fitted) stillPending(ctx context.Context, tx pgx.Tx, id billing.InvoiceID) (pending bool, err error) {
	err = tx.QueryRow(ctx, f.sql.isPending, string(id)).Scan(&pending)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) && !pgerr.FailsOnData(err) && !tookTooLong(err) {
		return false, fmt.Errorf("look at invoice %s again: %w", id, err)
	}
	return pending, nil // what can't be told proves nothing
}
