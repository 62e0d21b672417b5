package pgstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
)

// askPause is how often it is asked, at most, who holds invoices that a run can't lock.
const askPause = 2 * time.Second

// foreign finds out which invoices another application's locks keep away: those
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
		f.keys = map[advisory.Key]billing.InvoiceID{}
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

// rowsDue says whether it is to be asked now who holds rows.
func (f *foreign) rowsDue() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.asked) < askPause {
		return false
	}
	f.asked = time.Now()
	return true
}

// isNews says whether a process was not named yet.
func (f *foreign) isNews(pid uint32) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.told == nil {
		f.told = map[uint32]bool{}
	}
	told := f.told[pid]
	f.told[pid] = true
	return !told
}

// nameForeign logs which other applications keep invoices from this run, one line for
// each of their processes. What it can't find out is no trouble of the run's.
func (s *Store) nameForeign(ctx context.Context, last bool) {
	keys := s.foreign.due(last)
	if keys == nil {
		return
	}
	s.askForeign(ctx, "another application's advisory locks keep invoices from being sent; if it uses the same keys for something else, set LOCK_NAMESPACE for all runners",
		func(ctx context.Context, conn *pgx.Conn) ([]keeper, error) {
			held, err := advisory.ObjectHolders(ctx, conn)
			return keepers(keys, held), err
		})
}

// nameRowHolders is nameForeign for the locks of rows. A view does not say whose they are.
func (s *Store) nameRowHolders(ctx context.Context, skipped []billing.InvoiceID) {
	if len(skipped) == 0 || s.place.view || !s.foreign.rowsDue() {
		return
	}
	s.askForeign(ctx, "another session holds rows of invoices, and keeps them from being sent",
		func(ctx context.Context, conn *pgx.Conn) ([]keeper, error) {
			rows, err := conn.Query(ctx, s.sql.rowHolders, keys(skipped))
			if err != nil {
				return nil, err
			}
			return pgx.CollectRows(rows, func(row pgx.CollectableRow) (k keeper, err error) {
				err = row.Scan(&k.ApplicationName, &k.User, &k.PID, &k.n, &k.ids)
				return k, err
			})
		})
}

// keeper is a session that keeps invoices from a run.
type keeper struct {
	advisory.Holder
	n   int
	ids []string // some of them
}

func keepers(keys map[advisory.Key]billing.InvoiceID, held map[advisory.Key]advisory.Holder) []keeper {
	by := map[advisory.Holder]*keeper{}
	for key, id := range keys {
		h, is := held[key]
		if !is {
			continue
		}
		if by[h] == nil {
			by[h] = &keeper{Holder: h}
		}
		if by[h].n++; len(by[h].ids) < namedAtMost {
			by[h].ids = append(by[h].ids, string(id))
		}
	}
	all := make([]keeper, 0, len(by))
	for _, k := range by {
		all = append(all, *k)
	}
	return all
}

// askForeign asks for the sessions that keep invoices from this run, and tells which are
// no runs.
func (s *Store) askForeign(ctx context.Context, message string, who func(context.Context, *pgx.Conn) ([]keeper, error)) {
	err := s.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		found, err := who(ctx, conn)
		if err != nil {
			return err
		}
		rows, err := conn.Query(ctx, s.sql.runsUnfinished)
		if err != nil {
			return err
		}
		runs, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, k := range found {
			if slices.Contains(runs, k.ApplicationName) || !s.foreign.isNews(k.PID) {
				continue
			}
			s.cfg.Log.Warn().Str("event", "invoices_held").Str("application_name", k.ApplicationName).Str("user", k.User).Uint32("pid", k.PID).
				Int("invoices", k.n).Strs("invoice_ids", k.ids).Msg(message)
		}
		return nil
	})
	if err != nil {
		s.cfg.Log.Debug().Err(err).Msg("can't ask who holds the invoices that could not be locked")
	}
}
