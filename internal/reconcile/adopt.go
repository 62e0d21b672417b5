package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/internal/words"
	"github.com/billonce/billonce/sql"
)

// Adopted is what became of what a list could adopt.
type Adopted struct {
	Tally
	Unmarked int64 // of those done: their invoices could not be marked
}

// adoptable is one thing that the list has, and the delivery as it was compared.
type adoptable struct {
	id               string
	key, reply       *string
	at               *string
	amount, currency *string
	was              *string // nil: no delivery
	attempt          *string
	line             int64
}

// Adoptable is how many things the list could adopt, and of how many of them there is no
// invoice here.
func (r *Reconciliation) Adoptable(ctx context.Context) (n, unknown int64, err error) {
	if !r.found.has(FieldID) {
		return 0, 0, &ListError{errors.New("--adopt needs our keys: name their column, for example --columns id=Reference")}
	}
	err = r.each(ctx, "reconcile_adopt_count", func(row pgx.CollectableRow) error { return row.Scan(&n, &unknown) })
	return n, unknown, err
}

// Adopt makes sent whatever the list has once, and the ledger has not as sent, unmarked
// or cancelled. Its invoice is marked in the same transaction. progress is told how far
// it is; stopped by ctx, what it did stays done.
func (r *Reconciliation) Adopt(ctx context.Context, rep Report, progress func(Adopted)) (Adopted, error) {
	var all Adopted
	err := r.adoptPages(ctx, rep, &all, progress)
	rep.Decided = &all.Tally
	return all, errors.Join(err, r.keep(context.WithoutCancel(ctx), rep, "adopt"))
}

func (r *Reconciliation) adoptPages(ctx context.Context, rep Report, all *Adopted, progress func(Adopted)) error {
	var ledger uuid.UUID
	if err := r.each(ctx, "reconcile_ledger", func(row pgx.CollectableRow) error { return row.Scan(&ledger, nil, nil) }); err != nil {
		return err
	}
	if err := r.exec(ctx, "reconcile_adoptable", nil); err != nil {
		return err
	}
	for whole := context.WithoutCancel(ctx); ctx.Err() == nil; { // a cancelled query would close the connection
		rows, err := r.conn.Query(whole, fmt.Sprintf("fetch %d from billonce_adoptable", page))
		if err != nil {
			return fmt.Errorf("read what can be adopted: %w", err)
		}
		some, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a adoptable, err error) {
			err = row.Scan(&a.id, &a.key, &a.reply, &a.at, &a.amount, &a.currency, &a.was, &a.attempt, &a.line)
			return a, err
		})
		if err != nil {
			return fmt.Errorf("read what can be adopted: %w", err)
		}
		if len(some) == 0 {
			return nil
		}
		ours := some[:0]
		for _, a := range some {
			if a.isOurs(ledger) {
				ours = append(ours, a)
			}
		}
		if ours, err = r.asOwed(whole, ours); err != nil {
			return err
		}
		all.Left += int64(len(some) - len(ours))
		if err := r.adopt(whole, rep, ours, all); err != nil {
			return err
		}
		progress(*all)
	}
	return context.Cause(ctx)
}

// isOurs gives what has no delivery its key. A line that names another one is about a
// request of somebody else's.
func (a *adoptable) isOurs(ledger uuid.UUID) bool {
	if a.was != nil {
		return true
	}
	key := billing.NewKey(ledger, billing.InvoiceID(a.id)).Text
	if a.key != nil && *a.key != key {
		return false
	}
	a.key = &key
	return true
}

// adopt halves what can't be marked together until the invoice is found.
func (r *Reconciliation) adopt(ctx context.Context, rep Report, some []adoptable, all *Adopted) error {
	if len(some) == 0 {
		return nil
	}
	written, err := r.adoptOnce(ctx, rep, some, billing.Sent, nil)
	switch {
	case err == nil:
		all.Done, all.Left = all.Done+written, all.Left+int64(len(some))-written
		return nil
	case !isOfRow(err):
		return fmt.Errorf("adopt deliveries: %w", err)
	case len(some) > 1:
		half := len(some) / 2
		if err := r.adopt(ctx, rep, some[:half], all); err != nil {
			return err
		}
		return r.adopt(ctx, rep, some[half:], all)
	}
	why := "another session holds the invoice's row"
	if said := pgerr.From(err); said.Code != pgerrcode.LockNotAvailable {
		why = fmt.Sprintf("%s (SQLSTATE %s)", said.Message, said.Code)
	}
	if written, err = r.adoptOnce(ctx, rep, some, "unmarked", &why); err != nil {
		return fmt.Errorf("adopt invoice %s: %w", some[0].id, err)
	}
	all.Done, all.Left, all.Unmarked = all.Done+written, all.Left+1-written, all.Unmarked+written
	return nil
}

// isOfRow tells what one row is to blame for (manual, Appendix A): its data, a
// constraint, a trigger, a view's check, or who holds it.
func isOfRow(err error) bool {
	for _, code := range []string{pgerrcode.DataException, pgerrcode.IntegrityConstraintViolation, pgerrcode.PLpgSQLError, pgerrcode.WithCheckOptionViolation} {
		if pgerr.InClass(err, code) {
			return true
		}
	}
	return pgerr.Is(err, pgerrcode.LockNotAvailable)
}

// adoptOnce is one transaction. It says how many deliveries it wrote.
func (r *Reconciliation) adoptOnce(ctx context.Context, rep Report, some []adoptable, to billing.State, why *string) (written int64, err error) {
	err = pgx.BeginTxFunc(ctx, r.conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sql.WriterSettings); err != nil {
			return fmt.Errorf("prepare a transaction: %w", err)
		}
		if _, err := tx.Exec(ctx, "select set_config('lock_timeout', '100ms', true)"); err != nil {
			return err
		}
		query, err := sql.Query("reconcile_adopt", r.names)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, query, r.adoptArguments(rep, some, to, why)...)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if written = int64(len(ids)); written == 0 || to != billing.Sent {
			return nil
		}
		if query, err = sql.Query("mark", r.names); err != nil {
			return err
		}
		var marked []*string
		for _, id := range ids {
			marked = append(marked, &id)
		}
		args := []any{array(marked)}
		for range r.Book.ReplyPaths() {
			args = append(args, "{}") // a list has no reply to write down
		}
		_, err = tx.Exec(ctx, query, args...)
		return err
	})
	return written, err
}

func (r *Reconciliation) adoptArguments(rep Report, some []adoptable, to billing.State, why *string) []any {
	var ids, keys, replies, ats, amounts, currencies, was, attempts []*string
	for _, a := range some {
		ids, keys, replies, ats = append(ids, &a.id), append(keys, a.key), append(replies, a.reply), append(ats, a.at)
		amounts, currencies = append(amounts, a.amount), append(currencies, a.currency)
		was, attempts = append(was, a.was), append(attempts, a.attempt)
	}
	var args []any
	for _, texts := range [][]*string{ids, keys, replies, ats, amounts, currencies, was, attempts} {
		args = append(args, array(texts))
	}
	return append(args, string(to), r.id, r.LookupAfter.Seconds(), words.Storable(r.By), rep.reason("adopted"), why)
}

// array writes texts as a PostgreSQL array of whatever type (manual, 8.15.2).
func array(texts []*string) string {
	var b strings.Builder
	for i, text := range texts {
		if i > 0 {
			b.WriteByte(',')
		}
		if text == nil {
			b.WriteString("null")
			continue
		}
		b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(*text) + `"`)
	}
	return "{" + b.String() + "}"
}
