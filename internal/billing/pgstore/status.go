package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"billonce/internal/advisory"
	"billonce/sql"
)

// lastRuns is how many runs a status shows.
const lastRuns = 5

// Status is what an operator sees of a book of invoices.
type Status struct {
	Pending      int64            `json:"pending"`
	Deliveries   map[string]int64 `json:"deliveries"` // by state
	Runs         []Run            `json:"runs"`       // the last ones, youngest first
	RunLock      RunLock          `json:"run_lock"`
	InvoiceLocks int              `json:"invoice_locks"` // advisory locks in the invoices' key space, now
}

// RunLock says who holds the run lock, and under which key pg_locks shows it.
type RunLock struct {
	Name    string            `json:"name"`
	Key     string            `json:"key"` // classid,objid in pg_locks
	Holders []advisory.Holder `json:"holders"`
}

// ReadStatus reads a book's status. It changes nothing and takes no locks.
func ReadStatus(ctx context.Context, cfg *pgx.ConnConfig, book Book, runName string) (st Status, err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return st, fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := book.checkSchema(ctx, conn); err != nil {
		return st, err
	}
	n, err := book.sqlNames("", false, nil)
	if err != nil {
		return st, err
	}
	if err := st.readCounts(ctx, conn, n); err != nil {
		return st, err
	}
	if err := st.readRuns(ctx, conn, n); err != nil {
		return st, err
	}
	key := advisory.NewRunKey(runName)
	st.RunLock = RunLock{Name: runName, Key: key.String()}
	if st.RunLock.Holders, err = advisory.Holders(ctx, conn, key); err != nil {
		return st, err
	}
	st.InvoiceLocks, err = advisory.CountObjectLocks(ctx, conn)
	return st, err
}

func (st *Status) readCounts(ctx context.Context, conn *pgx.Conn, n sql.Names) error {
	pending, err := sql.Query("pending_count", n)
	if err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, pending).Scan(&st.Pending); err != nil {
		return fmt.Errorf("count pending invoices: %w", err)
	}
	states, err := sql.Query("status_states", n)
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, states)
	if err != nil {
		return fmt.Errorf("count deliveries: %w", err)
	}
	st.Deliveries = map[string]int64{}
	var state string
	var count int64
	_, err = pgx.ForEachRow(rows, []any{&state, &count}, func() error {
		st.Deliveries[state] = count
		return nil
	})
	if err != nil {
		return fmt.Errorf("count deliveries: %w", err)
	}
	return nil
}

func (st *Status) readRuns(ctx context.Context, conn *pgx.Conn, n sql.Names) error {
	query, err := sql.Query("status_runs", n)
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, query, lastRuns)
	if err != nil {
		return fmt.Errorf("read the last runs: %w", err)
	}
	st.Runs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Run, error) {
		var r Run
		err := row.Scan(&r.ID, &r.Name, &r.Strategy, &r.RunLock, &r.Application, &r.Version,
			&r.StartedAt, &r.FinishedAt, &r.ExitCode, &r.Summary)
		return r, err
	})
	if err != nil {
		return fmt.Errorf("read the last runs: %w", err)
	}
	return nil
}
