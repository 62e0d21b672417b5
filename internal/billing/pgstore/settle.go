package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"billonce/internal/billing"
	"billonce/internal/failpoint"
)

// Settle implements billing.Settler on a connection of its own. The money has
// moved: it is tried again, over restarts of the database, until it is written
// or the process is killed. What the database refuses for good (a user's
// trigger, a constraint) is told apart from the rest of its group by halving.
func (s *Store) Settle(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
	came := make([]billing.Settled, len(group))
	err := s.settleAll(context.WithoutCancel(ctx), group, came)
	s.warnUnanswered(group, came)
	return came, err
}

func (s *Store) settleAll(ctx context.Context, group []billing.Settlement, came []billing.Settled) error {
	var refused error
	err := persist(ctx, func() error {
		err := s.settler.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			w := newWriting()
			if err := s.settleOn(ctx, conn, w, group, came); err != nil {
				return err
			}
			return s.readBackSettled(ctx, conn, group, came)
		})
		if err != nil && len(group) > 1 && !connectionLost(err) {
			refused = err
			return nil
		}
		return err
	}, func(err error, try int) {
		s.cfg.Log.Warn().Err(err).Int("try", try).Int("settlements", len(group)).
			Msg("settling again: requests were answered, and must be written down")
	})
	switch {
	case refused != nil:
		half := len(group) / 2
		return errors.Join(
			s.settleAll(ctx, group[:half], came[:half]),
			s.settleAll(ctx, group[half:], came[half:]))
	case err != nil && group[0].Answer != nil:
		s.cfg.Log.Warn().Err(err).Str("invoice_id", string(group[0].InvoiceID)).
			Msg("the database does not take what the reply said: settling without it")
		unanswered := group[0]
		unanswered.Answer = nil
		return s.settleAll(ctx, []billing.Settlement{unanswered}, came)
	case err != nil:
		came[0] = billing.NotSettled
		return fmt.Errorf("settle invoice %s: %w", group[0].InvoiceID, err)
	}
	return nil
}

// unseen marks, within this file, a settlement whose guard let nothing through.
const unseen billing.Settled = -1

// settleOn runs the settlement of a group in w and commits it.
func (s *Store) settleOn(ctx context.Context, conn *pgx.Conn, w *writing, group []billing.Settlement, came []billing.Settled) error {
	at := make(map[string]int, len(group))
	var sent []*billing.Settlement
	for i := range group {
		at[string(group[i].InvoiceID)] = i
		came[i] = unseen
		if group[i].State == billing.Sent {
			sent = append(sent, &group[i])
		}
	}
	for _, part := range alike(group) {
		s.queueSettle(w, part, eachID(func(id string) {
			came[at[id]] = billing.SettledFully
			if part[0].State == billing.Sent {
				came[at[id]] = billing.SettledInvoiceGone // unless it is marked, next
			}
		}))
	}
	if len(sent) > 0 {
		w.query(eachID(func(id string) { came[at[id]] = billing.SettledFully }), s.sql.mark, s.markArgs(sent)...)
	}
	failpoint.Hit("before_settle_commit")
	err := w.commit(ctx, conn)
	failpoint.Fail("after_settle_commit", &err)
	return err
}

// queueSettle queues the settling of a part of a group that is alike.
func (s *Store) queueSettle(w *writing, part []*billing.Settlement, collect func(pgx.Rows) error) {
	ids := make([]billing.InvoiceID, len(part))
	var retryIn []float64 // seconds
	for i, g := range part {
		ids[i] = g.InvoiceID
		if g.State == billing.Retry {
			retryIn = append(retryIn, g.RetryIn.Seconds())
		}
	}
	reasons := texts(part, func(g *billing.Settlement) string { return g.Reason })
	replyIDs := texts(part, func(g *billing.Settlement) string {
		if g.Answer == nil {
			return ""
		}
		return g.Answer.ID
	})
	m := mannerOf(part[0])
	w.query(collect, s.sql.settle, keys(ids), m.run.String(), m.attempt, m.runAttempt, m.state, m.doubtful, m.status,
		retryIn, reasons, replyIDs)
}

// manner is what settlements share that one statement writes: a group has few.
type manner struct {
	run                         uuid.UUID
	attempt, runAttempt, status int
	state                       billing.State
	doubtful                    bool
}

func mannerOf(s *billing.Settlement) manner {
	return manner{s.RunID, s.Attempt, s.RunAttempt, s.Status, s.State, s.Doubtful}
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
		text := printable(of(g))
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

// readBackSettled tells what the guard stopped: done already by an earlier try
// whose commit's fate was unknown, or taken over by another run.
func (s *Store) readBackSettled(ctx context.Context, conn *pgx.Conn, group []billing.Settlement, came []billing.Settled) error {
	var ids, runs, states []string
	var attempts []int32
	at := make(map[string]int)
	for i, g := range group {
		if came[i] == unseen {
			ids, runs, states = append(ids, string(g.InvoiceID)), append(runs, g.RunID.String()), append(states, string(g.State))
			attempts = append(attempts, int32(g.Attempt))
			at[string(g.InvoiceID)] = i
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := conn.Query(ctx, s.sql.settled, keys(ids), keys(runs), attempts, states)
	if err != nil {
		return err
	}
	for _, i := range at {
		came[i] = billing.SettledByAnother
	}
	return eachID(func(id string) { came[at[id]] = billing.SettledFully })(rows)
}

// printable makes a reason fit for PostgreSQL's text: valid UTF-8 without zero bytes.
func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "")
}
