package pgdesk

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/desk"
)

// Reconciliations are the last ones, the youngest first.
func (d *Desk) Reconciliations(ctx context.Context, limit int) (all []desk.Reconciled, err error) {
	query, err := d.query("reconciled")
	if err != nil {
		return nil, err
	}
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query, limit)
		if err != nil {
			return err
		}
		var r desk.Reconciled
		_, err = pgx.ForEachRow(rows, append(places(&r), nil), func() error {
			all = append(all, r)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the last reconciliations: %w", err)
	}
	return all, nil
}

// Reconciliation is one of them, and what it found as it is kept; [desk.ErrID]: there is
// none of this id.
func (d *Desk) Reconciliation(ctx context.Context, id string) (r desk.Reconciled, found string, err error) {
	query, err := d.query("reconciled", "one")
	if err != nil {
		return r, "", err
	}
	key, err := uuid.Parse(id)
	if err != nil {
		return r, "", desk.ErrID
	}
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query, key).Scan(append(places(&r), &found)...)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return r, "", desk.ErrID
	case err != nil:
		return r, "", fmt.Errorf("read a reconciliation: %w", err)
	}
	return r, found, nil
}

// places are where a row of reconciled.sql goes.
func places(r *desk.Reconciled) []any {
	return []any{&r.ID, &r.At, &r.By, &r.File, &r.SHA256, &r.Since, &r.Until, &r.Decided, &r.Lines, &r.Agreed, &r.Differ, &r.Done}
}

// readReconciled reads the last reconciliation; there may be none.
func (r *statusReader) readReconciled(ctx context.Context) error {
	var last desk.Reconciled
	return r.each(ctx, "reconciled", append(places(&last), nil), func() error {
		r.st.Reconciled = &last
		return nil
	}, 1)
}
