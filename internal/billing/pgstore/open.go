package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
)

// CountOpen counts what waits for a person as the run ends, whoever left it. found is
// what the run has met that is pending again.
func (s *Store) CountOpen(ctx context.Context, found billing.PendingAgain) (o billing.Open, err error) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), finishPatience,
		fmt.Errorf("the database was away for %s", finishPatience))
	defer cancel()
	if err := s.keepPendingAgain(ctx, found.IDs); pgerr.Is(err, pgerrcode.InsufficientPrivilege) {
		return o, fmt.Errorf("keep in mind what is pending again: %w; `batch migrate --role` gives the role what it needs", err)
	} else if err != nil {
		return o, fmt.Errorf("keep in mind what is pending again: %w", err)
	}
	o, err = s.readOpen(ctx, s.sql.openGroups)
	if failsOnRow(err) {
		o, err = s.readOpen(ctx, s.sql.openGroupsFailing)
	}
	if err != nil {
		return o, fmt.Errorf("count what is open: %w", err)
	}
	return o, s.countPendingAgain(ctx, &o, found)
}

func (s *Store) keepPendingAgain(ctx context.Context, ids []billing.InvoiceID) error {
	err := s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.batch.Queue(within(s.cfg.RowsTime))
		w.batch.Queue(s.sql.pendingAgainOver)
		return w.commit(ctx, conn)
	})
	if err != nil && !pgerr.FailsOnData(err) && !tookTooLong(err) { // a row on which the predicate fails counts as pending
		return err
	}
	if len(ids) == 0 {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.batch.Queue(s.sql.pendingAgain, keys(ids), s.runID())
		return w.commit(ctx, conn)
	})
}

func (s *Store) readOpen(ctx context.Context, query string) (o billing.Open, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		o = billing.Open{Of: map[billing.OpenKind]int64{}, Groups: []billing.OpenGroup{}}
		if err := conn.QueryRow(ctx, "select now()").Scan(&o.At); err != nil {
			return err
		}
		rows, err := conn.Query(ctx, query)
		if err != nil {
			return err
		}
		var g billing.OpenGroup
		var ofKind int64
		_, err = pgx.ForEachRow(rows, []any{&g.Kind, &g.Reason, &g.Count, &g.Since, &g.Example, &g.Sums, &ofKind, &o.Newest, &o.Set}, func() error {
			o.Groups, o.Of[g.Kind] = append(o.Groups, g), ofKind
			g.Sums = nil
			return nil
		})
		return err
	})
	for _, n := range o.Of {
		o.Count += n
	}
	return o, err
}

// countPendingAgain puts the number in where more are pending again than are kept in mind
// by their ids: what this run has counted, or, if it did not see the whole table, what
// an earlier one has.
func (s *Store) countPendingAgain(ctx context.Context, o *billing.Open, found billing.PendingAgain) error {
	kept := o.Of[billing.OpenPendingAgain]
	if kept < billing.MostPendingAgain {
		return nil
	}
	n := int64(found.Count)
	if !found.Whole {
		before, err := s.openBefore(ctx)
		if err != nil {
			return err
		}
		for _, g := range before.groups {
			if g.Kind == billing.OpenPendingAgain {
				n = max(n, g.Count)
			}
		}
	}
	n = max(n, kept)
	o.Count += n - kept
	o.Of[billing.OpenPendingAgain] = n
	for i, g := range o.Groups {
		if g.Kind == billing.OpenPendingAgain {
			o.Groups[i].Count += n - kept
		}
	}
	return nil
}

// StillOpen is how much was open as the last run ended, less what was decided since.
func (s *Store) StillOpen(ctx context.Context) (int64, error) {
	before, err := s.openBefore(ctx)
	return max(0, before.count-before.decided), err
}

type openBefore struct {
	groups         []billing.OpenGroup
	count, decided int64
}

func (s *Store) openBefore(ctx context.Context) (b openBefore, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.openBefore)
		if err != nil {
			return err
		}
		var run string
		var at time.Time
		_, err = pgx.ForEachRow(rows, []any{&run, &at, &b.count, &b.groups, &b.decided}, func() error { return nil })
		return err
	})
	if err != nil {
		return b, fmt.Errorf("read what was open before: %w", err)
	}
	return b, nil
}
