package pgstore

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
)

// askPause is how often it is asked, at most, who holds invoices that a run can't lock.
const askPause = 2 * time.Second

// foreign finds out which invoices another application's advisory locks keep away: those
// of other runs are as they should be, and say nothing.
type foreign struct {
	mu    sync.Mutex
	keys  map[advisory.Key]billing.InvoiceID // that could not be locked since it was last asked
	asked time.Time
	told  map[uint32]bool // processes that were named
}

// note takes in an invoice that could not be locked.
func (f *foreign) note(id billing.InvoiceID, key advisory.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys == nil {
		f.keys, f.told = map[advisory.Key]billing.InvoiceID{}, map[uint32]bool{}
	}
	if len(f.keys) < claimsNoted {
		f.keys[key] = id
	}
}

const claimsNoted = 1000

// due returns what is to be asked about now.
func (f *foreign) due(last bool) map[advisory.Key]billing.InvoiceID {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.keys) == 0 || !last && time.Since(f.asked) < askPause {
		return nil
	}
	keys := f.keys
	f.keys, f.asked = map[advisory.Key]billing.InvoiceID{}, time.Now()
	return keys
}

// nameForeign logs which other applications keep invoices from this run, one line for
// each of their processes. What it can't find out is no trouble of the run's.
func (s *Store) nameForeign(ctx context.Context, last bool) {
	keys := s.foreign.due(last)
	if keys == nil {
		return
	}
	err := s.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		held, err := advisory.ObjectHolders(ctx, conn)
		if err != nil {
			return err
		}
		rows, err := conn.Query(ctx, s.sql.runsUnfinished)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		s.tellForeign(keys, held, names)
		return nil
	})
	if err != nil {
		s.cfg.Log.Debug().Err(err).Msg("can't ask who holds the invoices that could not be locked")
	}
}

func (s *Store) tellForeign(keys map[advisory.Key]billing.InvoiceID, held map[advisory.Key]advisory.Holder, runs []string) {
	ours := make(map[string]bool, len(runs))
	for _, name := range runs {
		ours[name] = true
	}
	type kept struct {
		ids []string
		n   int
	}
	by := map[advisory.Holder]*kept{}
	for key, id := range keys {
		h, is := held[key]
		if !is || ours[h.ApplicationName] {
			continue
		}
		if by[h] == nil {
			by[h] = &kept{}
		}
		if by[h].n++; len(by[h].ids) < namedAtMost {
			by[h].ids = append(by[h].ids, string(id))
		}
	}
	for h, k := range by {
		s.foreign.mu.Lock()
		told := s.foreign.told[h.PID]
		s.foreign.told[h.PID] = true
		s.foreign.mu.Unlock()
		if told {
			continue
		}
		s.cfg.Log.Warn().Str("event", "invoices_held").Str("application_name", h.ApplicationName).Str("user", h.User).Uint32("pid", h.PID).
			Int("invoices", k.n).Strs("invoice_ids", k.ids).
			Msg("another application's advisory locks keep invoices from being sent; if it uses the same keys for something else, set LOCK_NAMESPACE for all runners")
	}
}
