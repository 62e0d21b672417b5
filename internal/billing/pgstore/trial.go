package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"billonce/internal/billing"
	"billonce/internal/pgerr"
)

// Trial is what became of an invoice that was marked sent, and rolled back.
type Trial struct {
	InvoiceID billing.InvoiceID // empty: none was there to be tried
	Fate      Fate
	Refusal   error // the database's, of Refused and NeedsReply
}

// Fate of a trial.
type Fate int

// What marking an invoice comes to.
const (
	Untried      Fate = iota // none was pending, or somebody else was at it
	Marked                   // and pending no more
	StillPending             // though marked
	TooSlow                  // took longer than TrialTimeout
	Unchanged                // a trigger, a rule or a policy swallowed it
	Refused                  // by a constraint, a trigger, a missing right
	NeedsReply               // the same, but without the reply that its placeholders stand for
)

// TrialTimeout is how long one statement of a trial may take.
const TrialTimeout = 10 * time.Second

const trialSettings = "set local lock_timeout = '1s'; set local statement_timeout = %d"

// TryMark marks the first pending invoice sent, in a transaction that it rolls
// back: what would refuse an accepted invoice should be known before the first one.
func (e Examined) TryMark(ctx context.Context, conn *pgx.Conn) (t Trial, err error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return t, fmt.Errorf("begin a trial: %w", err)
	}
	defer func() { err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx))) }()
	if err := conn.PgConn().Exec(ctx, fmt.Sprintf(trialSettings, TrialTimeout.Milliseconds())).Close(); err != nil {
		return t, fmt.Errorf("begin a trial: %w", err)
	}
	rows, err := tx.Query(ctx, e.sql.scan, 1)
	if err != nil {
		return t, fmt.Errorf("look for a pending invoice: %w", err)
	}
	page, err := pgx.CollectRows(rows, scanCandidate)
	if err != nil || len(page) == 0 {
		return t, err
	}
	t.InvoiceID = page[0].ID
	return t, e.tryMark(ctx, tx, &t)
}

func (f fitted) tryMark(ctx context.Context, tx pgx.Tx, t *Trial) error {
	args := []any{string(t.InvoiceID)}
	for range f.place.book.MarkSent.Paths {
		args = append(args, "{}")
	}
	var pending bool
	err := tx.QueryRow(ctx, f.sql.markTrial, args...).Scan(&pending)
	if err == nil { // what is deferred would be checked by the commit
		_, err = tx.Exec(ctx, "set constraints all immediate")
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return f.notMarked(ctx, tx, t)
	case err != nil:
		return f.refusedMark(t, err)
	case pending:
		t.Fate = StillPending
	default:
		t.Fate = Marked
	}
	return nil
}

// refusedMark tells the database's refusal from what only kept it from answering.
func (f fitted) refusedMark(t *Trial, err error) error {
	switch {
	case pgerr.From(err) == nil || connectionLost(err):
		return fmt.Errorf("mark invoice %s: %w", t.InvoiceID, err)
	case pgerr.Is(err, pgerrcode.QueryCanceled):
		t.Fate = TooSlow
	case passing(err):
		t.Fate = Untried
	case len(f.place.book.MarkSent.Paths) > 0:
		t.Fate, t.Refusal = NeedsReply, err
	default:
		t.Fate, t.Refusal = Refused, err
	}
	return nil
}

// notMarked tells a change that was swallowed from an invoice that somebody else
// has marked meanwhile.
func (f fitted) notMarked(ctx context.Context, tx pgx.Tx, t *Trial) error {
	var pending bool
	err := tx.QueryRow(ctx, f.sql.isPending, string(t.InvoiceID)).Scan(&pending)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look at invoice %s again: %w", t.InvoiceID, err)
	}
	if pending {
		t.Fate = Unchanged
	}
	return nil
}
