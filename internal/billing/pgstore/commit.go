package pgstore

import (
	"context"
	"errors"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// Commit writes what begins and what ends, each in a transaction and on a connection of
// its own.
func (s *Store) Commit(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (c billing.Committed, err error) {
	if len(begin) > 0 {
		c.Begun, err = s.commitBegins(ctx, begin, latest(begin))
	}
	if len(end) > 0 {
		var eerr error
		c.Ended, eerr = s.commitEnds(ctx, end)
		err = errors.Join(err, eerr)
	}
	return c, err
}

// latest is the deadline that holds for all of the intents.
func latest(intents []billing.Intent) (deadline time.Duration) {
	for _, i := range intents {
		deadline = max(deadline, i.DeadlineIn)
	}
	return deadline
}
