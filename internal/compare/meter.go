package compare

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	meterTimeout = 15 * time.Second
	meterPoll    = 20 * time.Millisecond
)

// meter reads what a cell costs the database server. Only one cell may run at a
// time: WAL is counted for the whole server.
type meter struct {
	admin    *pgx.Conn
	database string
	wal      string // where WAL stood at the start
	commits  int64
}

func startMeter(ctx context.Context, admin *pgx.Conn, database string) (_ *meter, err error) {
	m := &meter{admin: admin, database: database}
	// The first change to a page after a checkpoint writes the whole page to
	// WAL: so every cell pays for the same pages.
	if _, err := admin.Exec(ctx, "checkpoint"); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if m.commits, err = m.readCommits(ctx); err != nil {
		return nil, err
	}
	if err := admin.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&m.wal); err != nil {
		return nil, fmt.Errorf("read the WAL position: %w", err)
	}
	return m, nil
}

// read returns what has been written and committed since the start, once all
// that used the database is gone.
func (m *meter) read(ctx context.Context) (walBytes, commits int64, err error) {
	if commits, err = m.readCommits(ctx); err != nil {
		return 0, 0, err
	}
	query := "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn)::bigint"
	if err := m.admin.QueryRow(ctx, query, m.wal).Scan(&walBytes); err != nil {
		return 0, 0, fmt.Errorf("read the WAL position: %w", err)
	}
	return walBytes, commits - m.commits, nil
}

// readCommits waits for the database's last backend to go, which hands its
// counts in as it does, and for two readings to agree.
func (m *meter) readCommits(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, meterTimeout,
		fmt.Errorf("the counts of database %s were not final within %s", m.database, meterTimeout))
	defer cancel()
	tick := time.NewTicker(meterPoll)
	defer tick.Stop()
	for last := int64(-1); ; {
		var backends, commits int64
		err := m.admin.QueryRow(ctx, `select (select count(*) from pg_stat_activity where datname = $1),
			(select xact_commit from pg_stat_database where datname = $1)`, m.database).Scan(&backends, &commits)
		switch {
		case ctx.Err() != nil:
			return 0, fmt.Errorf("read the number of commits: %w", context.Cause(ctx))
		case err != nil:
			return 0, fmt.Errorf("read the number of commits: %w", err)
		case backends == 0 && commits == last:
			return commits, nil
		}
		if last = -1; backends == 0 {
			last = commits
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
