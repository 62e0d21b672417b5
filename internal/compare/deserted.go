package compare

import (
	"context"
	"fmt"
	"time"
)

const (
	desertedTimeout = 15 * time.Second
	desertedPoll    = 10 * time.Millisecond
)

// awaitDeserted waits until PostgreSQL has noticed that its clients are gone, and
// has freed their locks.
func (b *books) awaitDeserted(ctx context.Context, database string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, desertedTimeout,
		fmt.Errorf("database %s was still in use after %s", database, desertedTimeout))
	defer cancel()
	tick := time.NewTicker(desertedPoll)
	defer tick.Stop()
	for {
		var deserted bool
		err := b.admin.QueryRow(ctx, `select not exists (
			select from pg_stat_activity where datname = $1 and backend_type = 'client backend')`, database).Scan(&deserted)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("wait for the servers' connections to end: %w", context.Cause(ctx))
		case err != nil:
			return fmt.Errorf("wait for the servers' connections to end: %w", err)
		case deserted:
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
