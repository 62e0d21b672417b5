package pgdesk

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/sql"
)

// readTrust reads who has the ledger trust its database; nil: nobody yet.
func readTrust(ctx context.Context, conn *pgx.Conn, names sql.Names) (*desk.Trust, error) {
	query, err := sql.Query("trusted", names)
	if err != nil {
		return nil, err
	}
	var t desk.Trust
	switch err := conn.QueryRow(ctx, query).Scan(&t.At, &t.By, &t.Reason); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("ask who trusts the database: %w", err)
	}
	return &t, nil
}

// readAccepted reads which databases the ledger was made to trust after its first one.
func readAccepted(ctx context.Context, conn *pgx.Conn, names sql.Names) (all []desk.Trust, err error) {
	query, err := sql.Query("accepted", names)
	if err != nil {
		return nil, err
	}
	if err := conn.QueryRow(ctx, query).Scan(&all); err != nil {
		return nil, fmt.Errorf("read which databases the ledger has trusted: %w", err)
	}
	if len(all) > 0 && all[0].By == billing.ByRun {
		all = all[1:]
	}
	return all, nil
}

// Doubt reads what a person is to know before the ledger trusts the database.
func (d *Desk) Doubt(ctx context.Context) (doubt desk.Doubt, err error) {
	query, err := d.query("trusted", "newest")
	if err != nil {
		return doubt, err
	}
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if doubt.Now, doubt.Accepted, err = readIdentity(ctx, conn, d.names); err != nil {
			return err
		}
		err = conn.QueryRow(ctx, query).Scan(nil, nil, nil, &doubt.Newest)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return doubt, err
	}
	doubt.Could, err = d.CountSendable(ctx, nil)
	return doubt, err
}

// CountSendable counts what a run could send, and what that bills; only: of these alone,
// where there are any.
func (d *Desk) CountSendable(ctx context.Context, only []billing.InvoiceID) (could desk.Sendable, err error) {
	err = d.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		columns, err := d.chooseColumns(ctx, conn)
		if err != nil {
			return err
		}
		names, args := d.names, []any(nil)
		if len(only) > 0 {
			wanted, err := array(only)
			if err != nil {
				return err
			}
			names.Only, args = true, []any{wanted}
		}
		if columns.amount != "" {
			names.Amount = book.Name{columns.amount}.SQL()
		}
		if columns.currency != "" {
			names.Currency = book.Name{columns.currency}.SQL()
		}
		query, err := sql.Query("sendable_sums", names)
		if err != nil {
			return err
		}
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		var n int64
		var currency, amount *string
		_, err = pgx.ForEachRow(rows, []any{&n, &currency, &amount}, func() error {
			could.Add(n, billing.NewAmount(columns.amount, orEmpty(amount), orEmpty(currency)))
			return nil
		})
		return err
	})
	if pgerr.FailsOnData(err) {
		return desk.Sendable{Unknown: true}, nil
	}
	if err != nil {
		return could, fmt.Errorf("count what a run could send: %w", err)
	}
	return could, nil
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
