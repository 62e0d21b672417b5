// Package meter reads what a run costs PostgreSQL, from the server's own counts.
// It is used by the comparison and by the benchmark. Only one run may be measured
// at a time: most of it is counted for the whole server.
package meter

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	timeout = 15 * time.Second
	poll    = 10 * time.Millisecond

	// collectorPoll is above what the statistics collector, which there was before
	// PostgreSQL 15, lets a reader be behind.
	collectorPoll = 600 * time.Millisecond

	// ownReading is what the reader itself may have added to a count since it last looked.
	ownReading = 2
)

// Meter is one measurement after the other, on a connection that its owner may use
// in between.
type Meter struct {
	Conn        *pgx.Conn
	Sessions    string // beginning of the runners' application_name
	Checkpoints bool   // they may be asked for

	Began time.Time // the signal, by the server's clock
	Local time.Time // and by ours

	transactions int64
	pages        *int64
	wal          string // where WAL stood at the signal
	xid          int64  // the next transaction id, then
}

// Cost is what has been written since the signal.
type Cost struct {
	Transactions int64  // since Start
	Commits      int64  // transactions that wrote: ids used
	WALBytes     int64  // of the whole server
	Pages        *int64 // that the last checkpoint wrote; nil where none may be asked for
}

// Start is called before the runners are. The first change to a page after a
// checkpoint writes the whole page to WAL: so every run pays for the same pages.
func (m *Meter) Start(ctx context.Context) (err error) {
	if m.pages, err = m.checkpoint(ctx); err != nil {
		return err
	}
	m.transactions, err = m.count(ctx)
	return err
}

// Signal is called as the runners begin.
func (m *Meter) Signal(ctx context.Context) error {
	err := m.Conn.QueryRow(ctx, "select clock_timestamp(), pg_current_wal_insert_lsn()::text, pg_snapshot_xmax(pg_current_snapshot())::text::bigint").
		Scan(&m.Began, &m.wal, &m.xid)
	if err != nil {
		return fmt.Errorf("read the WAL position: %w", err)
	}
	m.Local = time.Now()
	return nil
}

// Read waits for the runners' connections to end. Of the transactions, so many were
// the reader's own.
func (m *Meter) Read(ctx context.Context, own int) (c Cost, err error) {
	after, err := m.count(ctx)
	if err != nil {
		return c, err
	}
	c.Transactions = max(0, after-m.transactions-int64(own))
	err = m.Conn.QueryRow(ctx, `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn)::bigint,
		pg_snapshot_xmax(pg_current_snapshot())::text::bigint - $2`, m.wal, m.xid).Scan(&c.WALBytes, &c.Commits)
	if err != nil {
		return c, fmt.Errorf("read what was written: %w", err)
	}
	written, err := m.checkpoint(ctx)
	if err == nil && written != nil && m.pages != nil {
		pages := *written - *m.pages
		c.Pages = &pages
	}
	return c, err
}

// AwaitGone waits until PostgreSQL has noticed that the runners are gone, and has
// freed their locks.
func (m *Meter) AwaitGone(ctx context.Context) error {
	_, err := m.count(ctx)
	return err
}

// count of the database's transactions. Backends hand theirs in as they go: it is
// final once they are gone and two readings agree.
func (m *Meter) count(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the runners' connections had not ended within %s", timeout))
	defer cancel()
	every := collectorPoll
	if m.since(15) {
		every = poll
		// Else our own earlier transactions would be counted some time later.
		if _, err := m.Conn.Exec(ctx, "select pg_stat_force_next_flush()"); err != nil {
			return 0, fmt.Errorf("read the number of transactions: %w", err)
		}
	}
	last := int64(-1)
	var final int64
	err := await(ctx, every, func() (bool, error) {
		var backends, n int64
		err := m.Conn.QueryRow(ctx, `select (select count(*) from pg_stat_activity where starts_with(application_name, $1)),
			(select xact_commit + xact_rollback from pg_stat_database where datname = current_database())`,
			pgx.QueryExecModeSimpleProtocol, m.Sessions).Scan(&backends, &n)
		agree := backends == 0 && last >= 0 && n-last <= ownReading
		if final, last = n, n; backends > 0 {
			last = -1
		}
		return agree, err
	})
	if err != nil {
		return 0, fmt.Errorf("read the number of transactions: %w", err)
	}
	return final, nil
}

// checkpoint writes all dirty pages and returns how many have been written in the
// server's life; nil where it may not be asked for.
func (m *Meter) checkpoint(ctx context.Context) (*int64, error) {
	if !m.Checkpoints {
		return nil, nil
	}
	view := "select checkpoints_req, buffers_checkpoint + buffers_clean from pg_stat_bgwriter"
	if m.since(17) {
		view = "select c.num_requested, c.buffers_written + w.buffers_clean from pg_stat_checkpointer c, pg_stat_bgwriter w"
	}
	var before, after, pages int64
	if err := m.Conn.QueryRow(ctx, view).Scan(&before, &pages); err != nil {
		return nil, fmt.Errorf("read the number of pages written: %w", err)
	}
	if _, err := m.Conn.Exec(ctx, "checkpoint"); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the checkpoint was not counted within %s", timeout))
	defer cancel()
	// The checkpointer hands its count in a moment later.
	err := await(ctx, poll, func() (bool, error) {
		err := m.Conn.QueryRow(ctx, view).Scan(&after, &pages)
		return after > before, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the number of pages written: %w", err)
	}
	return &pages, nil
}

// since says whether the server has at least this major version.
func (m *Meter) since(major int) bool {
	var number int
	_, err := fmt.Sscanf(m.Conn.PgConn().ParameterStatus("server_version"), "%d", &number) // "15.18 (Debian …)"
	return err == nil && number >= major
}

// await asks until the answer is yes.
func await(ctx context.Context, every time.Duration, ask func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		yes, err := ask()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil || yes:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
