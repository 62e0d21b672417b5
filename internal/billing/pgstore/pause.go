package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
)

// Paused is the book's pause; nil: it has none.
func (s *Store) Paused(ctx context.Context) (pause *billing.Pause, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		pause, err = readPause(ctx, conn, s.sql.paused)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask whether the book is paused: %w", err)
	}
	return pause, nil
}

func readPause(ctx context.Context, conn *pgx.Conn, query string) (*billing.Pause, error) {
	var p billing.Pause
	err := conn.QueryRow(ctx, query).Scan(&p.At, &p.By, &p.Reason)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &p, nil
}
