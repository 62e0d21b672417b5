package compare

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	meterTimeout = 15 * time.Second
	meterPoll    = 10 * time.Millisecond

	// collectorPoll is above what the statistics collector, which there was before
	// PostgreSQL 15, lets a reader be behind.
	collectorPoll = 600 * time.Millisecond

	// ownReading is what the reader itself may have added to a count since it last looked.
	ownReading = 2
)

// meter reads what a cell costs the database server. Only one cell may run at a
// time: most of it is counted for the whole server.
type meter struct {
	stand        *stand
	transactions int64
	pages        *int64
	wal          string    // where WAL stood at the starting signal
	xid          int64     // the next transaction id, then
	began        time.Time // the signal, by the server's clock
	local        time.Time // and by ours
}

func (s *stand) startMeter(ctx context.Context) (m *meter, err error) {
	m = &meter{stand: s}
	// The first change to a page after a checkpoint writes the whole page to
	// WAL: so every cell pays for the same pages.
	if m.pages, err = s.checkpoint(ctx); err != nil {
		return nil, err
	}
	m.transactions, err = s.transactions(ctx)
	return m, err
}

// signal is called within the transaction that keeps the runners waiting.
func (m *meter) signal(ctx context.Context) error {
	err := m.stand.conn.QueryRow(ctx, "select clock_timestamp(), pg_current_wal_insert_lsn()::text, pg_snapshot_xmax(pg_current_snapshot())::text::bigint").
		Scan(&m.began, &m.wal, &m.xid)
	if err != nil {
		return fmt.Errorf("read the WAL position: %w", err)
	}
	m.local = time.Now()
	return nil
}

// cost is what has been written since, once all that used the stand is gone.
type cost struct {
	transactions, commits, wal, dead int64
	pages                            *int64
}

func (m *meter) read(ctx context.Context, own int64) (c cost, err error) {
	s := m.stand
	after, err := s.transactions(ctx)
	if err != nil {
		return c, err
	}
	c.transactions = max(0, after-m.transactions-own)
	err = s.conn.QueryRow(ctx, `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn)::bigint,
		pg_snapshot_xmax(pg_current_snapshot())::text::bigint - $2,
		(select coalesce(sum(n_dead_tup), 0)::bigint from pg_stat_user_tables where schemaname = $3)`, m.wal, m.xid, s.schema).
		Scan(&c.wal, &c.commits, &c.dead)
	if err != nil {
		return c, fmt.Errorf("read what the cell has cost: %w", err)
	}
	written, err := s.checkpoint(ctx)
	if err == nil && written != nil && m.pages != nil {
		pages := *written - *m.pages
		c.pages = &pages
	}
	return c, err
}

// transactions waits until the runners' backends are gone, which hand their
// counts in as they go, and two readings agree.
func (s *stand) transactions(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, meterTimeout, fmt.Errorf("the runners' counts were not final within %s", meterTimeout))
	defer cancel()
	poll := meterPoll
	if s.number < 150000 {
		poll = collectorPoll
	} else {
		// Else our own earlier transactions would be counted some time later.
		if _, err := s.conn.Exec(ctx, "select pg_stat_force_next_flush()"); err != nil {
			return 0, fmt.Errorf("read the number of transactions: %w", err)
		}
	}
	for last := int64(-1); ; {
		var backends, n int64
		err := s.conn.QueryRow(ctx, `select (select count(*) from pg_stat_activity where starts_with(application_name, $1)),
			(select xact_commit + xact_rollback from pg_stat_database where datname = current_database())`,
			pgx.QueryExecModeSimpleProtocol, s.schema+"/").Scan(&backends, &n)
		switch {
		case ctx.Err() != nil:
			return 0, fmt.Errorf("read the number of transactions: %w", context.Cause(ctx))
		case err != nil:
			return 0, fmt.Errorf("read the number of transactions: %w", err)
		case backends == 0 && last >= 0 && n-last <= ownReading:
			return n, nil
		}
		if last = -1; backends == 0 {
			last = n
		}
		if err := pause(ctx, poll); err != nil {
			return 0, fmt.Errorf("read the number of transactions: %w", err)
		}
	}
}

// checkpoint writes all dirty pages and returns how many have been written in the
// server's life; nil where the comparison may not ask for it.
func (s *stand) checkpoint(ctx context.Context) (*int64, error) {
	if !s.checkpoints {
		return nil, nil
	}
	view := "select checkpoints_req, buffers_checkpoint + buffers_clean from pg_stat_bgwriter"
	if s.number >= 170000 {
		view = "select c.num_requested, c.buffers_written + w.buffers_clean from pg_stat_checkpointer c, pg_stat_bgwriter w"
	}
	var before, after, pages int64
	if err := s.conn.QueryRow(ctx, view).Scan(&before, &pages); err != nil {
		return nil, fmt.Errorf("read the number of pages written: %w", err)
	}
	if _, err := s.conn.Exec(ctx, "checkpoint"); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, meterTimeout, fmt.Errorf("the checkpoint was not counted within %s", meterTimeout))
	defer cancel()
	// The checkpointer hands its count in a moment later.
	for {
		if err := s.conn.QueryRow(ctx, view).Scan(&after, &pages); err != nil {
			return nil, fmt.Errorf("read the number of pages written: %w", err)
		}
		if after > before {
			return &pages, nil
		}
		if err := pause(ctx, meterPoll); err != nil {
			return nil, fmt.Errorf("read the number of pages written: %w", err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
