package pgstore

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"billonce/internal/advisory"
	"billonce/internal/billing"
	"billonce/internal/pgerr"
)

// WriteOff writes off the runs that were killed, and brings into doubt what they left
// and no run will meet again. exclusive: this run holds the run lock of its name, and
// shares it with nobody. Whatever goes wrong, the next run does it.
func (s *Store) WriteOff(ctx context.Context, name string, exclusive bool) {
	ctx, cancel := patiently(ctx)
	defer cancel()
	killed, doubts, err := s.writeOffBy(ctx, name, exclusive, s.sql.leftOver, s.runID(), false)
	if pgerr.FailsOnData(err) {
		killed, doubts, err = s.writeOffAround(ctx, name, exclusive)
	}
	if err != nil {
		s.cfg.Log.Warn().Err(err).Msg("can't look for what killed runs left; the next run tries again")
		return
	}
	if len(killed) > 0 {
		s.cfg.Log.Info().Int("runs", len(killed)).Strs("killed", killed[:min(len(killed), namedAtMost)]).Msg("earlier runs were killed, cut off, or could not decide everything: written off")
	}
	s.tellOfLeftOver(doubts)
}

// FindLeftOver brings into doubt what this run has left `sending`, and no run will meet
// again. Whatever goes wrong, the next run does it.
func (s *Store) FindLeftOver(ctx context.Context) {
	ctx, cancel := patiently(ctx)
	defer cancel()
	var doubts []string
	err := s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		doubts = nil
		w := s.newWriting()
		w.query(eachID(func(id string) { doubts = append(doubts, id) }), s.sql.leftOver, s.runID(), true)
		return w.commit(ctx, conn)
	})
	if err != nil {
		s.cfg.Log.Warn().Err(err).Msg("can't look for what this run has left undecided; the next run tries again")
		return
	}
	s.tellOfLeftOver(doubts)
}

func (s *Store) tellOfLeftOver(doubts []string) {
	if len(doubts) > 0 {
		s.cfg.Log.Warn().Int("in_doubt", len(doubts)).Strs("invoice_ids", doubts[:min(len(doubts), namedAtMost)]).
			Msg("in doubt: these requests are of unknown effect, and their invoices are not pending any more; see `batch status --in-doubt`")
	}
}

// writeOffBy writes killed runs off, and runs leftOver in the same transaction.
func (s *Store) writeOffBy(ctx context.Context, name string, exclusive bool, leftOver string, args ...any) (killed, left []string, err error) {
	err = s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		killed, left = nil, nil
		w := s.newWriting()
		w.query(func(rows pgx.Rows) error {
			var run, application string
			_, err := pgx.ForEachRow(rows, []any{&run, &application}, func() error {
				killed = append(killed, application+" ("+run+")")
				return nil
			})
			return err
		}, s.sql.writeOff, s.runID(), name, exclusive)
		w.query(eachID(func(id string) { left = append(left, id) }), leftOver, args...)
		if leftOver == s.sql.leftOverFound {
			return w.discard(ctx, conn)
		}
		return w.commit(ctx, conn)
	})
	return killed, left, err
}

// writeOffAround is for where INVOICES_PENDING fails on some row: one on which it does
// counts as pending, and a scan meets it.
func (s *Store) writeOffAround(ctx context.Context, name string, exclusive bool) (killed, doubts []string, err error) {
	_, left, err := s.writeOffBy(ctx, name, exclusive, s.sql.leftOverFound, s.runID(), false)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]billing.InvoiceID, len(left))
	for i, id := range left {
		ids[i] = billing.InvoiceID(id)
	}
	pending, err := s.pendingAround(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	return s.writeOffBy(ctx, name, exclusive, s.sql.leftOverPending, s.runID(), false, keys(slices.Collect(maps.Keys(pending))))
}

// pendingAround says which of the invoices are pending, those on which INVOICES_PENDING
// fails among them.
func (s *Store) pendingAround(ctx context.Context, ids []billing.InvoiceID) (map[billing.InvoiceID]bool, error) {
	pending := make(map[billing.InvoiceID]bool)
	err := s.readCarefully(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.pendingAmongGuarded, keys(ids))
		if err != nil {
			return err
		}
		return eachID(func(id string) { pending[billing.InvoiceID(id)] = true })(rows)
	})
	switch {
	case !pgerr.FailsOnData(err):
		return pending, err
	case len(ids) == 1:
		return map[billing.InvoiceID]bool{ids[0]: true}, nil
	}
	half := len(ids) / 2
	pending, err = s.pendingAround(ctx, ids[:half])
	if err != nil {
		return nil, err
	}
	upper, err := s.pendingAround(ctx, ids[half:])
	maps.Copy(pending, upper)
	return pending, err
}

// writeOff is WriteOff for a run lock that is held again. Not after a fail-over: an
// unfinished run, dead or alive, may have sent what was lost, and is waited for.
func (l *KeptRunLock) writeOff(ctx context.Context) {
	if l.store.moved.Load() {
		return
	}
	l.store.WriteOff(ctx, l.name, l.mode == advisory.Exclusive)
}
