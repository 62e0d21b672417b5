package pgdesk

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/sql"
)

// prunePage is how many rows of the ledger one transaction of a prune looks at.
const prunePage = 1000

// pruning is one prune on its way.
type pruning struct {
	*Desk
	query, guarded, skip string
	age                  time.Duration
	last                 *string
	page                 int // smaller where INVOICES_PENDING fails on a row
}

// Prune removes the deliveries, and their history, that were settled longer ago
// than age and whose invoices are not pending. One of which that can't be told, since
// INVOICES_PENDING fails on it, stays. It commits page by page, and calls
// progress after each; stopped by ctx, what it did stays done.
func (d *Desk) Prune(ctx context.Context, age time.Duration, progress func(desk.Pruned)) (total desk.Pruned, err error) {
	p := pruning{Desk: d, age: age, page: prunePage}
	for text, flags := range map[*string][]string{&p.query: nil, &p.guarded: {"guarded"}, &p.skip: {"skip"}} {
		if *text, err = d.query("prune", flags...); err != nil {
			return total, err
		}
	}
	if err := d.use(ctx, d.sameMarking); err != nil {
		return total, fmt.Errorf("prune the ledger: %w", err)
	}
	for ctx.Err() == nil {
		read, removed, err := p.next(ctx)
		if err != nil {
			return total, fmt.Errorf("prune the ledger: %w", err)
		}
		total.Read, total.Removed = total.Read+read, total.Removed+removed
		progress(total)
		if read == 0 {
			return total, nil
		}
	}
	return total, fmt.Errorf("prune the ledger: %w", context.Cause(ctx))
}

// next prunes one page: half of it, as long as INVOICES_PENDING fails on one of its
// invoices, and that one alone is passed over.
func (p *pruning) next(ctx context.Context) (read, removed int64, err error) {
	for {
		query := p.query
		if p.page < prunePage {
			query = p.guarded
		}
		read, removed, err = p.one(ctx, query)
		switch {
		case !pgerr.FailsOnData(err):
			p.page = min(2*p.page, prunePage)
			return read, removed, err
		case p.page == 1:
			return p.one(ctx, p.skip)
		}
		p.page /= 2
	}
}

func (p *pruning) one(ctx context.Context, query string) (read, removed int64, err error) {
	last := p.last
	err = p.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(ctx)
		if _, err := tx.Exec(ctx, sql.ByIndex); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, query, last, p.page, p.age.Seconds()).Scan(&last, &read, &removed); err != nil {
			return err
		}
		return tx.Commit(ctx)
	})
	if err == nil && last != nil {
		p.last = last
	}
	return read, removed, err
}
