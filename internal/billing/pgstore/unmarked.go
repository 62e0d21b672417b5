package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/internal/words"
)

const (
	// setMarkTimeout bounds the wait for an invoice that somebody holds: others' replies
	// wait behind it, and one that can't be marked yet loses nothing.
	setMarkTimeout = "set local lock_timeout = '100ms'"
	// lossesMost is how often the connection may be lost in the midst of marking, in a
	// row, before it is taken for the work of one of the rows.
	lossesMost = 4
	// waitsMost bounds how often one group runs into a lock, while it is halved.
	waitsMost = 16
)

// settling is the settling of one group, part by part.
type settling struct {
	*Store
	waits     int    // that ran out
	holder    string // in whose way they were; empty: it was not found out
	tableHeld bool   // as a whole
	guarded   bool   // INVOICES_PENDING has failed: it is tried on no other row than these
	hangs     bool   // marking one of them may take for ever
}

// markTime bounds marking a group, as the trial does one invoice: a trigger may wait for
// ever. The invoice on which it does is found in the less time the fewer there are.
func (s *settling) markTime(group []billing.Settlement) time.Duration {
	if s.hangs && len(group) > 1 {
		return s.timeFor(len(group))
	}
	return s.cfg.RowsTime
}

// all settles a group. Where somebody holds one of its invoices, that one is told apart
// by asking for all of them once; where the database refuses one for good (a user's
// trigger, a constraint), by halving.
func (s *settling) all(ctx context.Context, group []billing.Settlement, came []billing.Settled) error {
	err := s.once(ctx, group, came, s.settleOn)
	if err != nil && (ctx.Err() != nil || errors.Is(err, billing.ErrFailedOver)) {
		for i := range came {
			came[i] = billing.NotSettled
		}
		return fmt.Errorf("settle %d invoices: %w", len(group), err)
	}
	if lockTimeout(err) && marks(group) {
		if s.waits++; len(group) > 1 && s.waits <= waitsMost {
			err = s.once(ctx, group, came, s.settleAround)
		}
		if s.tableHeld || lockTimeout(err) && (len(group) == 1 || s.waits > waitsMost) {
			return s.unmarked(ctx, group, came, s.heldReason())
		}
	}
	switch {
	case err == nil:
		return nil
	case tookTooLong(err) && marks(group) && (len(group) == 1 || !group[0].OnlyMarks):
		// Not in parts: each try is that long, and others wait. It is marked as the run ends.
		return s.unmarked(ctx, group, came, slowReason)
	case pgerr.FailsOnData(err) && !s.guarded:
		s.guarded = true
		return s.all(ctx, group, came)
	case tookTooLong(err) && len(group) > 1:
		s.hangs = true
		return s.inParts(ctx, hangParts, group, came)
	case len(group) > 1:
		return s.inParts(ctx, 2, group, came)
	case group[0].Kept != nil:
		s.cfg.Log.Warn().Err(err).Str("invoice_id", string(group[0].InvoiceID)).
			Msg("the database does not take what a repeat would be made from: settling without it")
		group[0].Kept = nil
		return s.all(ctx, group, came)
	case group[0].Answer != nil && group[0].State != billing.Unmarked:
		return s.unanswered(ctx, group, came, err)
	case group[0].Marks():
		return s.unmarked(ctx, group, came, refusedReason(err))
	}
	came[0] = billing.NotSettled
	return fmt.Errorf("settle invoice %s: %w", group[0].InvoiceID, err)
}

// inParts settles a group in so many parts, one after the other.
func (s *settling) inParts(ctx context.Context, parts int, group []billing.Settlement, came []billing.Settled) (err error) {
	size := (len(group) + parts - 1) / parts
	for from := 0; from < len(group); from += size {
		to := min(from+size, len(group))
		err = errors.Join(err, s.all(ctx, group[from:to], came[from:to]))
	}
	return err
}

// once settles a group in one transaction, again where what is in the way is passing.
// Only what is alone waits for others' locks on the ledger; a group is halved.
func (s *settling) once(ctx context.Context, group []billing.Settlement, came []billing.Settled,
	by func(context.Context, *pgx.Conn, *writing, []billing.Settlement, []billing.Settled) error,
) error {
	losses := 0
	return persistIf(ctx, func(err error) bool {
		inTheWay := lockTimeout(err) || tookTooLong(err)
		if losses++; !lostInUse(err) {
			losses = 0
		}
		if losses >= lossesMost && marks(group) {
			return false
		}
		return connectionLost(err) || len(group) == 1 && passing(err) && !(inTheWay && marks(group))
	}, func() error {
		return s.settler.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			who := s.watchWait(ctx, conn)
			w := s.newWriting()
			w.guarded, w.markTime = s.guarded, s.markTime(group)
			err := by(ctx, conn, w, group, came)
			if err != nil && conn.PgConn().TxStatus() == 'E' {
				// A connection that is made anew prepares all statements anew.
				_, _ = conn.Exec(ctx, "rollback")
			}
			if holder := who(); holder != "" {
				s.holder = holder
			}
			return err
		})
	}, func(err error, try int) {
		s.cfg.Log.Warn().Err(err).Int("try", try).Int("settlements", len(group)).
			Msg("settling again: requests were answered, and must be written down")
	})
}

// lostInUse says that a connection was there, and was lost in the midst of a statement.
func lostInUse(err error) bool {
	var unconnected *pgconn.ConnectError
	return connectionLost(err) && !errors.Is(err, errStandby) && !errors.As(err, &unconnected)
}

func lockTimeout(err error) bool {
	return !pgerr.Raised(err) && pgerr.Is(err, pgerrcode.LockNotAvailable)
}

func tookTooLong(err error) bool { return !pgerr.Raised(err) && pgerr.Is(err, pgerrcode.QueryCanceled) }

func marks(group []billing.Settlement) bool { return len(sentOf(group)) > 0 }

// settleAround settles a group of which somebody holds invoices: those that do not come
// at once are settled as unmarked. Not in a savepoint: mark.sql knows the transaction's
// own writes by xmin, which is then the subtransaction's.
func (s *settling) settleAround(ctx context.Context, conn *pgx.Conn, w *writing, group []billing.Settlement, came []billing.Settled) error {
	held, err := s.heldOf(ctx, conn, w, sentOf(group))
	if err != nil {
		return err
	}
	around := make([]billing.Settlement, len(group))
	copy(around, group)
	for i := range around {
		if _, ok := held[around[i].InvoiceID]; ok && around[i].Marks() {
			around[i].State, around[i].Reason = billing.Unmarked, s.heldReason()
		}
	}
	rest := &writing{begun: true, transaction: w.transaction, guarded: w.guarded, markTime: w.markTime}
	if err := s.settleOn(ctx, conn, rest, around, came); err != nil {
		return err
	}
	copy(group, around)
	return nil
}

// heldOf locks the invoices that can be locked, in the transaction that w begins, and
// returns those that are pending all the same.
func (s *settling) heldOf(ctx context.Context, conn *pgx.Conn, w *writing, sent []*billing.Settlement) (map[billing.InvoiceID]struct{}, error) {
	ids := invoiceIDs(sent)
	held := make(map[billing.InvoiceID]struct{})
	w.batch.Queue(setMarkTimeout)
	w.batch.Queue(s.sql.mark, s.markArgs(nil)...) // none: whether the table can be changed at all
	var locked []billing.InvoiceID
	lock, among := s.sql.lockRows, s.sql.pendingAmong
	if s.guarded {
		lock, among = s.sql.lockRowsAny, s.sql.pendingAmongGuarded
	}
	w.query(eachID(func(id string) { locked = append(locked, billing.InvoiceID(id)) }), lock, keys(ids))
	w.query(func(rows pgx.Rows) error { return collectIDs(rows, held) }, among, keys(ids))
	w.batch.Queue("set local lock_timeout = '5s'") // for the ledger, as sql.WriterSettings has it
	err := w.send(ctx, conn)
	s.tableHeld = lockTimeout(err)
	for _, id := range locked {
		delete(held, id)
	}
	return held, err
}

// unmarked writes down that the API accepted what is to be sent of a group, and why the
// invoices can't be marked; with what the replies said, for later.
func (s *settling) unmarked(ctx context.Context, group []billing.Settlement, came []billing.Settled, reason string) error {
	for i := range group {
		if group[i].Marks() {
			group[i].State, group[i].Reason = billing.Unmarked, reason
		}
	}
	return s.all(ctx, group, came)
}

// unanswered settles without what the reply said, since it may be that which the
// database does not take. What can't be marked without it either keeps it.
func (s *settling) unanswered(ctx context.Context, group []billing.Settlement, came []billing.Settled, refusal error) error {
	answer := group[0].Answer
	group[0].Answer = nil
	if group[0].Marks() && s.once(ctx, group, came, s.settleOn) != nil {
		group[0].Answer = answer
		return s.unmarked(ctx, group, came, refusedReason(refusal))
	}
	s.cfg.Log.Warn().Err(refusal).Str("invoice_id", string(group[0].InvoiceID)).
		Msg("the database does not take what the reply said: settling without it")
	if group[0].Marks() {
		return nil
	}
	return s.all(ctx, group, came)
}

const slowReason = "the API accepted it, and the database takes longer than 10s to mark it; look for a trigger that waits"

func (s *settling) heldReason() string {
	if s.holder == "" {
		return "the API accepted it, and another session holds its row; it is marked once that lets go"
	}
	return "the API accepted it, and its row is held by " + s.holder + "; it is marked once that lets go"
}

func refusedReason(err error) string {
	said := err.Error()
	if pg := pgerr.From(err); pg != nil {
		said = pg.Message
	}
	return "the API accepted it, and the database refuses to mark it: " + said + "; mend the row, or take it out of INVOICES_PENDING"
}

// keptReply is what an unmarked invoice is marked with later, by the path that asks for
// it: the setting may have changed by then.
func (s *Store) keptReply(g *billing.Settlement) string {
	paths := s.place.book.MarkSent.Paths
	if g.State != billing.Unmarked || g.Answer == nil || len(paths) == 0 {
		return ""
	}
	said := make(map[string]*string, len(paths))
	for n, path := range paths {
		said[path] = answerOf(g, n)
		if v := said[path]; v != nil {
			text := words.Storable(*v)
			said[path] = &text
		}
	}
	text, err := json.Marshal(said)
	if err != nil { // a map of text: it can't be
		return ""
	}
	return string(text)
}

// Unmarked returns deliveries that were accepted and whose invoices could not be marked,
// in the order of their ids, as settlements that make them sent.
func (s *Store) Unmarked(ctx context.Context, after *billing.InvoiceID, limit int) (page []billing.Settlement, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.unmarked, (*string)(after), limit)
		if err != nil {
			return err
		}
		page, err = pgx.CollectRows(rows, s.scanUnmarked)
		return err
	})
	return page, err
}

func (s *Store) scanUnmarked(row pgx.CollectableRow) (billing.Settlement, error) {
	g := billing.Settlement{State: billing.Sent, OnlyMarks: true}
	var replyID string
	var said map[string]*string
	err := row.Scan(&g.InvoiceID, &g.RunID, &g.Attempt, &g.RunAttempt, &g.Doubtful, &g.Status, &replyID, &said)
	if said != nil || replyID != "" {
		g.Answer = &billing.Answer{ID: replyID}
		for _, path := range s.place.book.MarkSent.Paths {
			g.Answer.Values = append(g.Answer.Values, said[path])
		}
	}
	return g, err
}
