package pgstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/failpoint"
	"github.com/billonce/billonce/sql"
)

// claimTimeout bounds each statement on a claim's connection.
const claimTimeout = 15 * time.Second

// Claimer is a connection for claims, one at a time. It is made anew when it
// breaks; its locks are gone then, and with them the claim.
type Claimer struct {
	store *Store
	lock  locking
	conn  *pgx.Conn
	watch *advisory.Watch
	// lockAny: INVOICES_PENDING failed on a row as rows were locked, or hung on one. The
	// second look tells which.
	lockAny bool
	extra   bool // the run can do without it
}

// begin opens a claim's transaction: READ COMMITTED asked for explicitly, since
// under another default even the second look would be stale (manual, 13.2.1).
func (c *Claimer) begin(ctx context.Context) error {
	if c.conn == nil || c.conn.IsClosed() {
		conn, err := c.store.connectForClaims(ctx)
		if err != nil {
			return err
		}
		c.conn = conn
	}
	begin := "begin isolation level read committed read write; " +
		advisory.TransactionSettings(c.conn, c.store.cfg.LongestRequest)
	if c.locksRows() {
		begin += fmt.Sprintf("; set local lock_timeout = %d; %s", tableWait.Milliseconds(), within(c.store.cfg.RowsTime))
	}
	if c.lockAny {
		begin += "; " + sql.ByIndex
	}
	if err := c.conn.PgConn().Exec(ctx, begin).Close(); err != nil {
		return fmt.Errorf("begin: %w", begun(err))
	}
	return nil
}

// end ends the claim's transaction, and with it the locks.
func (c *Claimer) end(ctx context.Context) error {
	if c.conn == nil || c.watch == nil {
		return nil
	}
	watch := c.watch
	c.watch = nil
	if err := watch.Stop(); err != nil {
		c.drop(ctx)
		return err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	// Nothing was written, or the settlement committed it: both ends are one.
	if err := c.conn.PgConn().Exec(ctx, "commit").Close(); err != nil {
		c.drop(ctx)
		return fmt.Errorf("release a claim: %w", err)
	}
	return nil
}

// drop closes the connection: whatever it held is free.
func (c *Claimer) drop(ctx context.Context) {
	if c.conn == nil {
		return
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	_ = c.conn.Close(ctx)
	c.conn = nil
}

// Close ends whatever it still holds, and gives its connection back.
func (c *Claimer) Close(ctx context.Context) error {
	err := c.end(ctx)
	if c.conn != nil {
		c.store.giveSpare(ctx, c.conn)
		c.conn = nil
	}
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.store.claimers--
	return err
}

func (c *Claimer) startWatch(ctx context.Context) <-chan struct{} {
	c.watch = advisory.StartWatch(ctx, c.conn, advisory.HeartbeatInterval, advisory.HeartbeatTimeout)
	return c.watch.Lost()
}

// lockKeys takes the advisory locks of invoices.
func (c *Claimer) lockKeys(ctx context.Context, ids []billing.InvoiceID) (got []bool, err error) {
	locks := make([]advisory.Key, len(ids))
	for i, id := range ids {
		key, err := advisory.ObjectKey(c.store.place.book.Namespace, string(id), c.store.integerKey())
		if err != nil {
			return nil, fmt.Errorf("form the lock key of invoice %s: %w", id, err)
		}
		locks[i] = key
	}
	if got, err = advisory.TryLockAll(ctx, c.conn, locks); err != nil {
		return nil, err
	}
	for i, held := range got {
		if !held {
			c.store.foreign.note(ids[i], locks[i])
		}
	}
	c.store.nameForeign(ctx, false)
	return got, nil
}

// detach frees a lock connection's statement from the caller's cancellation,
// which would close the connection and free its locks.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(advisory.Detach(ctx), claimTimeout,
		fmt.Errorf("no answer on a claim's connection within %s", claimTimeout))
}

// lockAdvisory locks by pg_try_advisory_xact_lock. Such a claim writes nothing:
// no transaction id, no WAL, and no snapshot that holds vacuum back.
func (c *Claimer) lockAdvisory(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error) {
	got, err := c.lockKeys(ctx, ids(candidates))
	if err != nil {
		return nil, err
	}
	claim := &billing.Claimed{Release: c.end}
	sending := make(map[billing.InvoiceID]int)
	for i, candidate := range candidates {
		if !got[i] {
			continue
		}
		claim.IDs = append(claim.IDs, candidate.ID)
		if candidate.State == billing.Sending {
			sending[candidate.ID] = candidate.Attempt
		}
	}
	claim.Recoverable, err = c.store.rowsFree(ctx, sending)
	return claim, err
}

// locking locks candidates inside the claim's transaction.
type locking func(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error)

// Claim locks those of the candidates that it can get without waiting. It tries again
// on a new connection when the old one breaks.
func (c *Claimer) Claim(ctx context.Context, candidates []billing.Candidate) (claim *billing.Claimed, err error) {
	ctx, cancel := patiently(ctx)
	defer cancel()
	err = persistIf(ctx, c.mayPass, func() error {
		holder := c.watchTable(ctx)
		claim, err = c.claimOnce(ctx, candidates)
		if who := holder(); lockTimeout(err) {
			err = &TableHeldError{who, err}
		}
		return err
	}, func(err error, try int) {
		c.store.cfg.Log.Warn().Err(err).Int("try", try).Msg("claiming again")
	})
	return claim, err
}

// mayPass: one that the run can do without does not wait for room.
func (c *Claimer) mayPass(err error) bool {
	if _, full := limitOf(err); full && c.extra {
		return false
	}
	return mayPassSoon(err)
}

// watchTable is for the strategy that locks rows: it waits for who has locked their table.
func (c *Claimer) watchTable(ctx context.Context) func() string {
	if !c.locksRows() {
		return func() string { return "" }
	}
	return c.store.watchTable(ctx)
}

func (c *Claimer) locksRows() bool { return c.store.cfg.Strategy == "row" }

// claimOnce locks inside a new transaction and puts the watch on it.
func (c *Claimer) claimOnce(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error) {
	ctx, cancel := detach(ctx)
	defer cancel()
	wasAny := c.lockAny
	candidates = candidates[:c.store.roomFor(candidates)]
	err := c.begin(ctx)
	failpoint.Fail("before_lock", &err)
	if err == nil {
		var claim *billing.Claimed
		candidates, err = c.lockValues(ctx, candidates)
		if err == nil {
			claim, err = c.lock(ctx, candidates)
		}
		failpoint.Fail("after_lock", &err)
		if err == nil {
			claim.Lost = c.startWatch(ctx)
			return claim, nil
		}
	}
	c.drop(ctx)
	if c.lockAny && !wasAny {
		return c.claimOnce(ctx, candidates)
	}
	if advisory.TableFull(err) && len(candidates) > 1 {
		c.store.shrink(len(candidates) / 2)
		return c.claimOnce(ctx, candidates)
	}
	return nil, err
}

// rowsFree tells which of the invoices no `row` runner holds. A `sending`
// delivery is taken over only by one who has had both locks: else an `advisory`
// runner would take a `row` runner's live request for a dead one. A probe is
// enough: we hold the advisory lock, which a `row` runner needs for a recovery,
// and holding the row would block our own settlement.
func (s *Store) rowsFree(ctx context.Context, sending map[billing.InvoiceID]int) (map[billing.InvoiceID]int, error) {
	if len(sending) == 0 {
		return nil, nil
	}
	free := make(map[billing.InvoiceID]int, len(sending))
	probe := func(ctx context.Context, conn *pgx.Conn) error {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
		if err != nil {
			return begun(err)
		}
		if err := conn.PgConn().Exec(ctx, sql.ByIndex).Close(); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, s.sql.lockRowsAny, keys(slices.Collect(maps.Keys(sending))))
		if err != nil {
			return err
		}
		if err := eachID(func(id string) { free[billing.InvoiceID(id)] = sending[billing.InvoiceID(id)] })(rows); err != nil {
			return err
		}
		return tx.Rollback(ctx)
	}
	err := s.insist(ctx, readTime, func() error { return s.writer.use(ctx, probe) })
	return free, err
}

func ids(candidates []billing.Candidate) []billing.InvoiceID {
	out := make([]billing.InvoiceID, len(candidates))
	for i, c := range candidates {
		out[i] = c.ID
	}
	return out
}
