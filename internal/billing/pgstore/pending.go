package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// CountSendable counts what this run could send.
func (s *Store) CountSendable(ctx context.Context) (all int64, err error) {
	var args []any
	if len(s.cfg.Only) > 0 {
		args = append(args, keys(s.cfg.Only))
	}
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.sendableCount, args...).Scan(&all)
	})
	return all, err
}

// Usual is what earlier Jobs could send as they began.
type Usual struct {
	Jobs   int // that are known; ten at most
	Median float64
}

// UsualPending reads what is usual, for a run of this Job; empty: of none.
func (s *Store) UsualPending(ctx context.Context, job string) (u Usual, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.usualPending, job).Scan(&u.Jobs, &u.Median)
	})
	return u, err
}
