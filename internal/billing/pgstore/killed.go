package pgstore

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
)

// WriteOff writes off the runs that were killed, and brings into doubt what they left
// and no run will meet again. exclusive: this run holds the run lock of its name, and
// shares it with nobody. Whatever goes wrong, the next run does it.
func (s *Store) WriteOff(ctx context.Context, name string, exclusive bool) {
	var killed []string
	done := s.sweep(ctx, false, func(w *writing) {
		killed = nil
		w.query(func(rows pgx.Rows) error {
			var run, application string
			_, err := pgx.ForEachRow(rows, []any{&run, &application}, func() error {
				killed = append(killed, application+" ("+run+")")
				return nil
			})
			return err
		}, s.sql.writeOff, s.runID(), name, exclusive)
	})
	if done && len(killed) > 0 {
		s.cfg.Log.Info().Int("runs", len(killed)).Strs("killed", killed[:min(len(killed), namedAtMost)]).Msg("earlier runs were killed, cut off, or could not decide everything: written off")
	}
}

// FindLeftOver brings into doubt what this run has left `sending`, and no run will meet
// again. Whatever goes wrong, the next run does it.
func (s *Store) FindLeftOver(ctx context.Context) { s.sweep(ctx, true, func(*writing) {}) }

// sweep brings into doubt what runs have left and none will meet again. ended: this run
// has, and has left some itself. first is queued before that, in the same transaction.
func (s *Store) sweep(ctx context.Context, ended bool, first func(*writing)) (done bool) {
	ctx, cancel := patiently(ctx)
	defer cancel()
	var doubts []string
	err := s.hangs.error()
	if err == nil {
		doubts, err = s.leftOver(ctx, first, (*writing).commit, s.sql.leftOver, s.runID(), ended)
	}
	if failsOnRow(err) {
		doubts, err = s.leftOverAround(ctx, ended, first)
	}
	switch {
	case err != nil:
		s.cfg.Log.Warn().Err(err).Msg("can't look for what runs have left undecided; the next run tries again")
	case len(doubts) > 0:
		s.cfg.Log.Warn().Int("in_doubt", len(doubts)).Strs("invoice_ids", doubts[:min(len(doubts), namedAtMost)]).
			Msg("in doubt: these requests are of unknown effect, and their invoices are not pending any more; see `batch status --in-doubt`")
	}
	return err == nil
}

// leftOverAround is for where INVOICES_PENDING fails on some row: one on which it does
// counts as pending, and a scan meets it.
func (s *Store) leftOverAround(ctx context.Context, ended bool, first func(*writing)) (doubts []string, err error) {
	left, err := s.leftOver(ctx, first, (*writing).discard, s.sql.leftOverFound, s.runID(), ended)
	if err != nil {
		return nil, err
	}
	ids := make([]billing.InvoiceID, len(left))
	for i, id := range left {
		ids[i] = billing.InvoiceID(id)
	}
	pending, err := s.pendingAround(ctx, ids)
	if err != nil {
		return nil, err
	}
	return s.leftOver(ctx, first, (*writing).commit, s.sql.leftOverPending, s.runID(), ended, keys(slices.Collect(maps.Keys(pending))))
}

// leftOver runs one of the statements about what was left, and returns the ids that it does.
func (s *Store) leftOver(ctx context.Context, first func(*writing), end func(*writing, context.Context, *pgx.Conn) error, query string, args ...any) (ids []string, err error) {
	err = s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		ids = nil
		w := s.newWriting()
		first(w)
		w.query(eachID(func(id string) { ids = append(ids, id) }), query, args...)
		return end(w, ctx, conn)
	})
	return ids, err
}

// pendingAround says which of the invoices are pending, those on which INVOICES_PENDING
// fails among them.
func (s *Store) pendingAround(ctx context.Context, ids []billing.InvoiceID) (map[billing.InvoiceID]bool, error) {
	pending := make(map[billing.InvoiceID]bool)
	err := s.readCarefully(ctx, len(ids), s.sql.pendingAmongGuarded, []any{keys(ids)},
		eachID(func(id string) { pending[billing.InvoiceID(id)] = true }))
	switch {
	case !failsOnRow(err):
		return pending, err
	case len(ids) == 1:
		return map[billing.InvoiceID]bool{ids[0]: true}, nil
	}
	return pending, inParts(err, ids, func(part []billing.InvoiceID) error {
		of, err := s.pendingAround(ctx, part)
		maps.Copy(pending, of)
		return err
	})
}

// writeOff is WriteOff for a run lock that is held again. Not after a fail-over: an
// unfinished run, dead or alive, may have sent what was lost, and is waited for.
func (l *KeptRunLock) writeOff(ctx context.Context) {
	if l.store.moved.Load() {
		return
	}
	l.store.WriteOff(ctx, l.name, l.mode == advisory.Exclusive)
}
