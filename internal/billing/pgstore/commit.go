package pgstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
)

const (
	// setPrompt bounds what a transaction waits for that begins requests and settles
	// others: well within the life of its intents.
	setPrompt     = "set local lock_timeout = '100ms'"
	setPromptTime = "set local statement_timeout = '2s'"
	// apartFor is for how long what begins and what ends go apart after something stood in
	// their way together: it may stand there still.
	apartFor = 5 * time.Second
)

// Commit implements the engine's Ledger.
func (s *Store) Commit(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (c billing.Committed, err error) {
	switch {
	case len(begin) > 0 && len(end) > 0:
		return s.commitBoth(ctx, begin, end)
	case len(begin) > 0:
		c.Begun, err = s.commitBegins(ctx, begin, false)
	case len(end) > 0:
		c.Ended, err = s.commitEnds(ctx, end)
	}
	return c, err
}

// commitBoth commits what begins and what ends in one transaction, on the settler's
// connection. Where that fails, what ends goes alone, and nothing is begun. Where its
// fate is unknown what ends goes first, too: never are more deliveries begun and not
// settled than were before, or than follow them.
func (s *Store) commitBoth(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (c billing.Committed, err error) {
	if time.Now().Before(s.apartUntil()) {
		c.Ended, err = s.commitEnds(ctx, end)
		c.PutOff = true
		return c, err
	}
	c.Begun, c.Ended, err = s.together(ctx, begin, end)
	switch {
	case err == nil:
		s.warnUnanswered(end, c.Ended)
		if len(c.Begun) == 0 { // alone, they tell why
			c.Begun, err = s.commitBegins(ctx, begin, false)
		}
		return c, err
	case errors.Is(err, errHeldBack):
		return billing.Committed{Ended: c.Ended}, err
	case errors.Is(err, billing.ErrFailedOver):
		return billing.Committed{Ended: unsettled(end)}, err
	}
	s.cfg.Log.Debug().Err(err).Int("intents", len(begin)).Int("settlements", len(end)).
		Msg("what begins and what ends could not be committed together: what ends goes alone")
	refused := (pgerr.From(err) != nil || errors.Is(err, errStaysPending)) && !connectionLost(err)
	c = billing.Committed{PutOff: refused}
	c.Ended, err = s.commitEnds(ctx, end)
	if refused {
		s.goApart()
		return c, err
	}
	var berr error
	c.Begun, berr = s.commitBegins(ctx, begin, true)
	return c, errors.Join(err, berr)
}

// together tries one transaction for both, once. No savepoint is in it: mark.sql knows the
// transaction's own writes by xmin, which inside of one is the subtransaction's.
func (s *Store) together(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (map[billing.InvoiceID]struct{}, []billing.Settled, error) {
	ours, came := make(map[billing.InvoiceID]struct{}, len(begin)), make([]billing.Settled, len(end))
	err := s.settler.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.prompt = true
		w.batch.Queue(setPrompt)
		w.batch.Queue(setPromptTime)
		settled, err := s.queueSettlements(w, end)
		if err != nil {
			return err
		}
		intended := s.queueIntents(w, begin, ours, false)
		if err := w.commit(ctx, conn); err != nil {
			if conn.PgConn().TxStatus() == 'E' {
				// A connection that is made anew prepares all statements anew.
				_, _ = conn.Exec(ctx, "rollback")
			}
			return err
		}
		if err := s.settledOn(ctx, conn, w, settled, came); err != nil {
			return err
		}
		_, err = intended()
		return err
	})
	return ours, came, err
}

func (s *Store) apartUntil() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apart
}

func (s *Store) goApart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apart = time.Now().Add(apartFor)
}

func unsettled(end []billing.Settlement) []billing.Settled {
	came := make([]billing.Settled, len(end))
	for i := range came {
		came[i] = billing.NotSettled
	}
	return came
}

// latest is the deadline that holds for all of the intents.
func latest(intents []billing.Intent) (deadline time.Duration) {
	for _, i := range intents {
		deadline = max(deadline, i.DeadlineIn)
	}
	return deadline
}
