package pgstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
)

// Told is what people were told of last.
func (s *Store) Told(ctx context.Context) (t billing.Told, err error) {
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		t = billing.Told{}
		return conn.QueryRow(ctx, s.sql.told).Scan(&t)
	})
	if err != nil {
		return t, fmt.Errorf("read what people were told of: %w", err)
	}
	return t, nil
}

// Tell keeps what people were told of.
func (s *Store) Tell(ctx context.Context, t billing.Told) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := s.newWriting()
		w.batch.Queue(s.sql.tell, string(text))
		return w.commit(ctx, conn)
	})
	if err != nil {
		return fmt.Errorf("keep what people were told of: %w", err)
	}
	return nil
}
