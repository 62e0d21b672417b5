package pgstore

import (
	"context"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
)

// roomFor is how many of the candidates one claim may lock: a value's lock counts, too.
func (s *Store) roomFor(candidates []billing.Candidate) int {
	if len(s.place.book.OnePer) == 0 {
		return s.room.cut(len(candidates))
	}
	return min(len(candidates), max(1, s.room.cut(2*len(candidates))/2))
}

// lockValues takes the locks of the candidates' values (INVOICES_ONE_PER), and returns
// those whose value is ours now, or that have none.
func (c *Claimer) lockValues(ctx context.Context, candidates []billing.Candidate) ([]billing.Candidate, error) {
	if len(c.store.place.book.OnePer) == 0 {
		return candidates, nil
	}
	ledger, err := c.store.LedgerID(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the ledger's identity: %w", err)
	}
	var locks []advisory.RunKey
	for _, candidate := range candidates {
		if candidate.Value != nil {
			locks = append(locks, advisory.NewValueKey(ledger.String(), *candidate.Value))
		}
	}
	got, err := advisory.TryLockPairs(ctx, c.conn, locks)
	if err != nil {
		return nil, err
	}
	ours := make([]billing.Candidate, 0, len(candidates))
	for _, candidate := range candidates {
		held := true
		if candidate.Value != nil {
			held, got = got[0], got[1:]
		}
		if held {
			ours = append(ours, candidate)
		}
	}
	return ours, nil
}

// Lower implements the engine's Values. Where INVOICES_PENDING fails on a lower one that
// is not set aside, it can't be told, and the invoice is left out.
func (s *Store) Lower(ctx context.Context, ids, aside []billing.InvoiceID) (map[billing.InvoiceID]billing.Lower, error) {
	err := s.hangs.error()
	var all map[billing.InvoiceID]billing.Lower
	if err == nil {
		all, err = lowerOf(ids, aside, func(args []any, collect func(pgx.Rows) error) error {
			return s.readRows(ctx, s.sql.lower, args, collect)
		})
	}
	if failsOnRow(err) {
		all, err = s.lowerAround(ctx, ids, aside)
	}
	if err != nil {
		return nil, fmt.Errorf("look for lower invoices of the same values: %w", err)
	}
	return all, nil
}

func (s *Store) lowerAround(ctx context.Context, ids, aside []billing.InvoiceID) (map[billing.InvoiceID]billing.Lower, error) {
	all, err := lowerOf(ids, aside, func(args []any, collect func(pgx.Rows) error) error {
		return s.readCarefully(ctx, len(ids), s.sql.lowerGuarded, args, collect)
	})
	switch {
	case !failsOnRow(err):
		return all, err
	case len(ids) == 1:
		return nil, nil
	}
	all = make(map[billing.InvoiceID]billing.Lower, len(ids))
	return all, inParts(err, ids, func(part []billing.InvoiceID) error {
		of, err := s.lowerAround(ctx, part, aside)
		maps.Copy(all, of)
		return err
	})
}

func lowerOf(ids, aside []billing.InvoiceID, read func(args []any, collect func(pgx.Rows) error) error) (map[billing.InvoiceID]billing.Lower, error) {
	all := make(map[billing.InvoiceID]billing.Lower, len(ids))
	err := read([]any{keys(ids), keys(aside)}, func(rows pgx.Rows) error {
		clear(all)
		var id billing.InvoiceID
		var l billing.Lower
		_, err := pgx.ForEachRow(rows, []any{&id, &l.Value, (*zeronull.Text)(&l.ID), (*zeronull.Text)(&l.State)}, func() error {
			all[id] = l
			return nil
		})
		return err
	})
	return all, err
}
