package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"billonce/internal/advisory"
)

// WriteOff writes off the runs that were killed, and brings into doubt what they left
// and no run will meet again. exclusive: this run holds the run lock of its name, and
// shares it with nobody. Whatever goes wrong, the next run does it.
func (s *Store) WriteOff(ctx context.Context, name string, exclusive bool) {
	ctx, cancel := patiently(ctx)
	defer cancel()
	var killed, doubts []string
	err := s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		killed, doubts = nil, nil
		w := s.newWriting()
		w.query(func(rows pgx.Rows) error {
			var run, application string
			_, err := pgx.ForEachRow(rows, []any{&run, &application}, func() error {
				killed = append(killed, application+" ("+run+")")
				return nil
			})
			return err
		}, s.sql.writeOff, s.runID(), name, exclusive)
		w.query(eachID(func(id string) { doubts = append(doubts, id) }), s.sql.leftOver, s.runID(), false)
		return w.commit(ctx, conn)
	})
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

// writeOff is WriteOff for a run lock that is held again. Not after a fail-over: an
// unfinished run, dead or alive, may have sent what was lost, and is waited for.
func (l *KeptRunLock) writeOff(ctx context.Context) {
	if l.store.moved.Load() {
		return
	}
	l.store.WriteOff(ctx, l.name, l.mode == advisory.Exclusive)
}
