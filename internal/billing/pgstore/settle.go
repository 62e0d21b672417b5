package pgstore

import (
	"cmp"
	"context"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// commitEnds settles on a connection of its own. The money has
// moved: it is tried again, over restarts of the database, until it is written
// or the process must end. What can't be marked is settled as [billing.Unmarked], and
// holds up nothing else.
func (s *Store) commitEnds(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
	came := make([]billing.Settled, len(group))
	err := (&settling{Store: s}).all(advisory.Detach(ctx), group, came)
	s.warnUnanswered(group, came)
	return came, err
}

// settleOn settles a group in w, commits it, and says what came of it.
func (s *Store) settleOn(ctx context.Context, conn *pgx.Conn, w *writing, group []billing.Settlement, came []billing.Settled) error {
	queued, err := s.queueSettlements(w, group)
	if err != nil {
		return err
	}
	if err := w.commit(ctx, conn); err != nil {
		return err
	}
	return s.settledOn(ctx, conn, w, queued, came)
}

// queued is a group that is settled in one transaction. Nearly always every guard lets its
// settlement through, and every invoice is marked: numbers say so.
type queued struct {
	group  []billing.Settlement
	short  []*billing.Settlement // parts of which not all were let through
	sent   []*billing.Settlement
	marked []billing.InvoiceID
}

// queueSettlements adds a group to a transaction.
func (s *Store) queueSettlements(w *writing, group []billing.Settlement) (*queued, error) {
	q := &queued{group: group, sent: sentOf(group)}
	w.settles = true
	for _, part := range alike(group) {
		text, args := s.settleQuery(part)
		w.exec(func(n int64) error {
			if n != int64(len(part)) {
				q.short = append(q.short, part...)
			}
			return nil
		}, text, args...)
	}
	if err := s.keep(w, group); err != nil {
		return nil, err
	}
	if len(q.sent) > 0 {
		mark, stays := s.sql.mark, s.sql.staysPending
		if w.guarded {
			mark, stays = s.sql.markGuarded, s.sql.staysPendingGuarded
		}
		if !w.prompt {
			w.batch.Queue(setMarkTimeout)
			w.batch.Queue(within(cmp.Or(w.markTime, s.cfg.RowsTime)))
		}
		w.query(eachID(func(id string) { q.marked = append(q.marked, billing.InvoiceID(id)) }), mark, s.markArgs(q.sent)...)
		w.query(staysPending, stays, keys(invoiceIDs(q.sent)))
	}
	return q, nil
}

// settledOn says what came of a group that was committed in w.
func (s *Store) settledOn(ctx context.Context, conn *pgx.Conn, w *writing, q *queued, came []billing.Settled) error {
	became := make(map[billing.InvoiceID]billing.Settled) // where it is not SettledFully
	if len(q.marked) < len(q.sent) {
		for _, g := range q.sent {
			became[g.InvoiceID] = billing.SettledInvoiceGone
		}
		for _, id := range q.marked {
			delete(became, id)
		}
	}
	if len(q.short) > 0 {
		if err := s.readBackSettled(ctx, conn, w.transaction, q.short, became); err != nil {
			return err
		}
	}
	for i, g := range q.group {
		came[i] = became[g.InvoiceID]
	}
	s.noteGone(ctx, conn, q.group, came)
	s.noteSettled(ctx, conn)
	return nil
}

// noteSettled records once that this run has settled something. It is tried again with
// the next settlement where it fails.
func (s *Store) noteSettled(ctx context.Context, conn *pgx.Conn) {
	if s.hasSettled.Load() {
		return
	}
	if _, err := conn.Exec(ctx, s.sql.runSettled, s.runID()); err != nil {
		s.cfg.Log.Warn().Err(err).Msg("can't note that this run has settled deliveries: `batch resolve --sent`, `prune` and `reconcile` will compare their SQL with an older run's")
		return
	}
	s.hasSettled.Store(true)
}

// noteGone keeps in mind which invoices were not marked. Everything is settled already:
// a failure is only told.
func (s *Store) noteGone(ctx context.Context, conn *pgx.Conn, group []billing.Settlement, came []billing.Settled) {
	var ids []billing.InvoiceID
	for i, g := range group {
		if came[i] == billing.SettledInvoiceGone {
			ids = append(ids, g.InvoiceID)
		}
	}
	if len(ids) == 0 {
		return
	}
	if _, err := conn.Exec(ctx, s.sql.gone, keys(ids)); err != nil {
		s.cfg.Log.Warn().Err(err).Int("invoices", len(ids)).Msg("can't note that these invoices were not marked: prune will not keep their deliveries")
	}
}

// readBackSettled reads from the ledger what the guard let through, and what it
// stopped: settled already by an earlier try whose commit's fate was unknown, or taken
// over by another run.
func (s *Store) readBackSettled(ctx context.Context, conn *pgx.Conn, transaction string, short []*billing.Settlement, became map[billing.InvoiceID]billing.Settled) error {
	ids, runs, states := make([]string, len(short)), make([]string, len(short)), make([]string, len(short))
	attempts := make([]int32, len(short))
	for i, g := range short {
		ids[i], runs[i], states[i], attempts[i] = string(g.InvoiceID), g.RunID.String(), string(g.State), int32(g.Attempt)
	}
	rows, err := conn.Query(ctx, s.sql.settled, keys(ids), keys(runs), attempts, states, transaction)
	if err != nil {
		return err
	}
	justNow := make(map[billing.InvoiceID]bool, len(short))
	var id string
	var now bool
	_, err = pgx.ForEachRow(rows, []any{&id, &now}, func() error {
		justNow[billing.InvoiceID(id)] = now
		return nil
	})
	for _, g := range short {
		now, stands := justNow[g.InvoiceID]
		switch {
		case !stands:
			became[g.InvoiceID] = billing.SettledByAnother
		case !now:
			delete(became, g.InvoiceID) // the earlier try has marked it
		}
	}
	return err
}

func sentOf(group []billing.Settlement) []*billing.Settlement {
	var sent []*billing.Settlement
	for i := range group {
		if group[i].Marks() {
			sent = append(sent, &group[i])
		}
	}
	return sent
}

// settleQuery is the statement that settles a part of a group that is alike.
func (s *Store) settleQuery(part []*billing.Settlement) (text string, args []any) {
	ids := make([]billing.InvoiceID, len(part))
	var retryIn []float64 // seconds
	var arrivesIn []*float64
	for i, g := range part {
		ids[i] = g.InvoiceID
		if g.State == billing.Retry || g.State == billing.SubmittedState {
			retryIn = append(retryIn, g.RetryIn.Seconds())
		}
		if g.ArrivesIn > 0 {
			if arrivesIn == nil {
				arrivesIn = make([]*float64, len(part))
			}
			seconds := g.ArrivesIn.Seconds()
			arrivesIn[i] = &seconds
		}
	}
	reasons := texts(part, func(g *billing.Settlement) string { return s.inEncoding(g.Reason) })
	replyIDs := texts(part, func(g *billing.Settlement) string {
		if g.Answer == nil {
			return ""
		}
		return g.Answer.ID
	})
	replies := texts(part, s.keptReply)
	m := mannerOf(part[0])
	args = []any{keys(ids), m.run.String(), m.attempt, m.runAttempt, m.state, m.doubtful, m.status, int16(m.keyUse)}
	if retryIn == nil && arrivesIn == nil && reasons == nil && replyIDs == nil && replies == nil {
		return s.sql.settle, args
	}
	return s.sql.settleEach, append(args, retryIn, reasons, replyIDs, replies, arrivesIn)
}

// manner is what settlements share that one statement writes: a group has few.
type manner struct {
	run                         uuid.UUID
	attempt, runAttempt, status int
	state                       billing.State
	doubtful                    bool
	keyUse                      billing.KeyUse
}

func mannerOf(s *billing.Settlement) manner {
	return manner{s.RunID, s.Attempt, s.RunAttempt, s.Status, s.State, s.Doubtful, s.KeyUse}
}

// alike parts a group by manner, in the order in which they first come.
func alike(group []billing.Settlement) [][]*billing.Settlement {
	var parts [][]*billing.Settlement
	at := make(map[manner]int)
	for i := range group {
		m := mannerOf(&group[i])
		n, ok := at[m]
		if !ok {
			n = len(parts)
			at[m], parts = n, append(parts, nil)
		}
		parts[n] = append(parts[n], &group[i])
	}
	return parts
}

// texts is one text of each settlement, null where it is empty, and nil where all are.
func texts(part []*billing.Settlement, of func(*billing.Settlement) string) []*string {
	var all []*string
	for i, g := range part {
		text := words.Storable(of(g))
		if text == "" {
			continue
		}
		if all == nil {
			all = make([]*string, len(part))
		}
		all[i] = &text
	}
	return all
}

// inEncoding makes a text for people fit for the database's encoding, of which ASCII is
// all that is sure: refused for a character of a reason, no settlement would be written.
func (f fitted) inEncoding(text string) string {
	if f.encoding == "UTF8" || f.encoding == "SQL_ASCII" {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, text)
}
