package pgdesk

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"billonce/internal/billing"
	"billonce/sql"
)

// Paused is the book's pause; nil: it has none.
func (d *Desk) Paused(ctx context.Context) (pause *billing.Pause, err error) {
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		pause, err = readPause(ctx, conn, d.names)
		return err
	})
	return pause, err
}

func readPause(ctx context.Context, conn *pgx.Conn, names sql.Names) (*billing.Pause, error) {
	query, err := sql.Query("paused", names)
	if err != nil {
		return nil, err
	}
	var p billing.Pause
	switch err := conn.QueryRow(ctx, query).Scan(&p.At, &p.By, &p.Reason); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("ask whether the book is paused: %w", err)
	}
	return &p, nil
}

// Pause stops the book's runs: no request is begun once this has returned. It says
// false where the book was paused already.
func (d *Desk) Pause(ctx context.Context, by, reason string) (bool, error) {
	return d.change(ctx, "pause", printable(by), printable(reason))
}

// Resume ends the pause. It says false where there was none.
func (d *Desk) Resume(ctx context.Context) (bool, error) { return d.change(ctx, "resume") }

// change runs a statement on the ledger's row, and says whether it changed it.
func (d *Desk) change(ctx context.Context, name string, args ...any) (changed bool, err error) {
	query, err := d.query(name)
	if err != nil {
		return false, err
	}
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, query, args...)
		changed = tag.RowsAffected() > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("%s the book: %w", name, err)
	}
	return changed, nil
}
