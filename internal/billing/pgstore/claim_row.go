package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/pgerr"
)

// lockRow locks by SELECT … FOR NO KEY UPDATE SKIP LOCKED. Nobody else may
// touch the locked invoices, our own settler included: the claim's own
// transaction settles them, as it ends.
func (c *Claimer) lockRow(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error) {
	locked := make(map[billing.InvoiceID]struct{}, len(candidates))
	lock := c.store.sql.lockRows
	if c.lockAny {
		lock = c.store.sql.lockRowsAny
	}
	var batch pgx.Batch
	batch.Queue(lock, keys(ids(candidates))).Query(func(rows pgx.Rows) error { return collectIDs(rows, locked) })
	// From here on the table is waited for no longer than an invoice: what marks the
	// invoices is prepared in this transaction.
	batch.Queue(setMarkTimeout)
	if err := c.conn.SendBatch(ctx, &batch).Close(); err != nil {
		c.lockAny = c.lockAny || pgerr.FailsOnData(err) || tookTooLong(err)
		return nil, err
	}
	claim := &billing.Claimed{Settle: c.settleOrElse, Release: c.end}
	var sending []billing.Candidate
	var skipped []billing.InvoiceID
	for _, candidate := range candidates {
		if _, ok := locked[candidate.ID]; !ok {
			skipped = append(skipped, candidate.ID)
			continue
		}
		claim.IDs = append(claim.IDs, candidate.ID)
		if candidate.State == billing.Sending {
			sending = append(sending, candidate)
		}
	}
	c.store.nameRowHolders(ctx, skipped)
	var err error
	claim.Recoverable, err = c.keysHeld(ctx, sending)
	return claim, err
}

// keysHeld takes the advisory locks of deliveries that may have lost their
// sender: an `advisory` runner that is alive holds them.
func (c *Claimer) keysHeld(ctx context.Context, sending []billing.Candidate) (map[billing.InvoiceID]int, error) {
	if len(sending) == 0 {
		return nil, nil
	}
	got, err := c.lockKeys(ctx, ids(sending))
	held := make(map[billing.InvoiceID]int, len(sending))
	for i, ok := range got {
		if ok {
			held[sending[i].ID] = sending[i].Attempt
		}
	}
	return held, err
}

// settleOrElse settles within the claim's transaction, and commits it. If that fails the locks are gone, and the guard alone must do, on another
// connection: the replies have come, and are written down.
func (c *Claimer) settleOrElse(ctx context.Context, group []billing.Settlement) ([]billing.Settled, error) {
	came := make([]billing.Settled, len(group))
	err := c.settle(ctx, group, came)
	if err == nil {
		c.store.warnUnanswered(group, came)
		return came, nil
	}
	c.store.cfg.Log.Warn().Err(err).Int("settlements", len(group)).Msg("a claim could not settle: settling without it")
	c.drop(ctx)
	return c.store.commitEnds(ctx, group)
}

func (c *Claimer) settle(ctx context.Context, group []billing.Settlement, came []billing.Settled) error {
	ctx, cancel := detach(ctx)
	defer cancel()
	watch := c.watch
	c.watch = nil
	if err := watch.Stop(); err != nil {
		return err
	}
	w := &writing{begun: true}
	c.store.settings(w)
	return c.store.settleOn(ctx, c.conn, w, group, came)
}
