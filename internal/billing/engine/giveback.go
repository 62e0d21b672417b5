package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/billonce/billonce/internal/billing"
)

// giveBack frees intents that stand though nobody knew that they were committed: all of them
// each time, for that they were given back may be lost, too. No request was sent of those
// that are sending; another one is an attempt of that number that was begun before. One that
// can't be given back is in doubt without need, and nothing else waits for it.
func (f *failover) giveBack(ctx context.Context) {
	for unsure := range slices.Chunk(f.memory.doubted(), groupEnough) {
		if err := f.giveBackGroup(ctx, unsure); err != nil {
			f.log.Warn().Err(err).Int("invoices", len(unsure)).Msg("can't give back intents that a fail-over may have left: they may end in doubt")
			return
		}
	}
}

func (f *failover) giveBackGroup(ctx context.Context, unsure []billing.Intent) error {
	ids := make([]billing.InvoiceID, len(unsure))
	for i, in := range unsure {
		ids[i] = in.InvoiceID
	}
	has, err := f.port.Delivered(ctx, ids)
	if err != nil {
		return err
	}
	var group []billing.Settlement
	for _, in := range unsure {
		d := has[in.InvoiceID]
		if d == nil || d.State != billing.Sending || d.RunID != f.memory.runID || d.Attempt != in.Attempt {
			continue
		}
		group = append(group, billing.Settlement{
			InvoiceID: in.InvoiceID, RunID: f.memory.runID, Attempt: in.Attempt, RunAttempt: in.RunAttempt - 1, State: billing.Retry,
			Doubtful: in.Seen.MayHaveActed(), KeyUse: billing.KeyUnused,
		})
	}
	if len(group) == 0 {
		return nil
	}
	if _, err = f.commitEnds(ctx, group); errors.Is(err, billing.ErrFailedOver) {
		return nil // the next commit meets that one
	}
	return err
}
