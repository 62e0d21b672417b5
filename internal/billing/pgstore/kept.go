package pgstore

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
)

// Kept reads what earlier attempts of unknown outcome have kept of their invoices.
func (s *Store) Kept(ctx context.Context, ids []billing.InvoiceID) (map[billing.InvoiceID]*billing.Kept, error) {
	all := make(map[billing.InvoiceID]*billing.Kept)
	err := s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.kept, keys(ids))
		if err != nil {
			return err
		}
		var id string
		var row, columns *string
		_, err = pgx.ForEachRow(rows, []any{&id, &row, &columns}, func() error {
			kept := &billing.Kept{}
			if row != nil {
				kept.Row = []byte(*row)
			}
			all[billing.InvoiceID(id)] = kept
			if columns == nil {
				return nil
			}
			return json.Unmarshal([]byte(*columns), &kept.Columns)
		})
		return err
	})
	return all, err
}

// keep queues what is kept of a group of settlements, behind them.
func (s *Store) keep(w *writing, group []billing.Settlement) error {
	var ids []string
	var rows, columns []*string
	for _, g := range group {
		if g.Kept == nil {
			continue
		}
		text, err := json.Marshal(g.Kept.Columns)
		if err != nil {
			return err
		}
		of := string(text)
		ids, columns = append(ids, string(g.InvoiceID)), append(columns, &of)
		var row *string
		if g.Kept.Row != nil {
			text := string(g.Kept.Row)
			row = &text
		}
		rows = append(rows, row)
	}
	if len(ids) > 0 {
		w.exec(func(int64) error { return nil }, s.sql.keep, keys(ids), rows, columns)
	}
	return nil
}
