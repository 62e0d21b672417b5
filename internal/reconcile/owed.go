package reconcile

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/sql"
)

// asOwed leaves out what was never tried and of which the list names another amount or
// currency than its invoice bills: the ledger has none to compare. Nothing is known of it
// where INVOICES_AMOUNT and INVOICES_CURRENCY are not set.
func (r *Reconciliation) asOwed(ctx context.Context, some []adoptable) ([]adoptable, error) {
	var ids []*string
	for _, a := range some {
		if a.was == nil && (a.amount != nil || a.currency != nil) {
			ids = append(ids, &a.id)
		}
	}
	if len(ids) == 0 || r.names.Amount == "" && r.names.Currency == "" {
		return some, nil
	}
	query, err := sql.Query("reconcile_amounts", r.names)
	if err != nil {
		return nil, err
	}
	rows, err := r.conn.Query(ctx, query, array(ids))
	if err != nil {
		return nil, fmt.Errorf("read what the invoices bill: %w", err)
	}
	bills := map[string]billing.Amount{}
	var id string
	var amount, currency *string
	_, err = pgx.ForEachRow(rows, []any{&id, &amount, &currency}, func() error {
		bills[id] = billing.NewAmount(strings.Trim(r.names.Amount, `"`), text(amount), text(currency))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what the invoices bill: %w", err)
	}
	return slices.DeleteFunc(some, func(a adoptable) bool {
		return a.was == nil && differs(bills[a.id], text(a.amount), text(a.currency))
	}), nil
}

// differs says so only of what both name.
func differs(ours billing.Amount, amount, currency string) bool {
	theirs, listed := new(big.Rat).SetString(amount)
	bills, known := new(big.Rat).SetString(ours.Value)
	return listed && known && theirs.Cmp(bills) != 0 ||
		currency != "" && ours.Currency != "" && !strings.EqualFold(strings.TrimSpace(currency), ours.Currency)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
