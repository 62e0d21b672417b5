package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"billonce/internal/billing"
	"billonce/internal/pgerr"
)

// Resolve writes a person's decision about a delivery, as it was read, that
// [billing.Resolve] has let pass. The statement holds the rules once more: what
// has changed since, by a late reply or another person, is left as it is.
//
// It takes no invoice's lock. A runner takes over `sending` and `retry`
// deliveries only, and this touches neither: a claim that found one of them
// before it came into doubt looks again under its lock, and its intent compares
// and swaps on what it saw. So the delivery's own row decides who is first, and
// the lock would only make a person wait for a request that has nothing to do
// with their decision. docs/model searches every order of these steps.
// Where the invoice is marked, that takes its row's lock, as any settling does.
func (s *Store) Resolve(ctx context.Context, seen Delivery, r billing.Resolution, ruling billing.Ruling) (came billing.Resolved, err error) {
	came = billing.ResolvedByAnother
	err = s.writer.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		w := newWriting()
		w.query(eachID(func(string) {
			came = billing.ResolvedFully
			if r.To == billing.Sent {
				came = billing.ResolvedInvoiceGone // unless it is marked, next
			}
		}), s.sql.resolve, string(seen.InvoiceID), string(seen.State), seen.Attempt, seen.UpdatedAt,
			string(r.To), ruling.ClearsDoubt, printable(r.By), printable(r.Reason))
		if r.To == billing.Sent {
			w.query(eachID(func(string) { came = billing.ResolvedFully }), s.sql.mark, s.markArgs([]*billing.Settlement{{InvoiceID: seen.InvoiceID}})...)
		}
		return w.commit(ctx, conn)
	})
	switch {
	case err == nil:
		return came, nil
	case pgerr.Is(err, pgerrcode.LockNotAvailable, pgerrcode.DeadlockDetected):
		return billing.NotResolved, nil
	}
	return billing.NotResolved, fmt.Errorf("resolve invoice %s: %w", seen.InvoiceID, err)
}
