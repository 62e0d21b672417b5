package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	toxiproxy "github.com/Shopify/toxiproxy/v2"

	"github.com/billonce/billonce/internal/pgtemp"
	"github.com/billonce/billonce/tools/lab"
)

const (
	application = "torture"
	// patience bounds every question of torture's own to a database that is being
	// restarted all the time.
	patience = time.Minute
	askAgain = 50 * time.Millisecond
)

// testbed is what all rounds share.
type testbed struct {
	dir    string
	batch  string
	keep   bool // the logs of rounds without a violation, too
	server *pgtemp.Server
	toxic  *toxiproxy.ApiServer
	rounds int
}

func newTestbed(ctx context.Context, o options) (_ *testbed, err error) {
	s := &testbed{batch: o.batch, keep: o.keep}
	if s.dir, err = os.MkdirTemp("", "billonce-torture-"); err != nil {
		return nil, err
	}
	if s.batch == "" {
		s.batch = filepath.Join(s.dir, "batch")
		if err := lab.Build(ctx, "", lab.Batch, s.batch); err != nil {
			return nil, err
		}
	}
	// By its default this server loses what was committed in the ten seconds
	// before a crash: who needs more has to ask for it.
	s.server, err = pgtemp.Start(context.WithoutCancel(ctx), pgtemp.Options{Temporary: true, FastUnsafe: true, Settings: map[string]string{
		"max_connections": strconv.Itoa(maxConnections), "shared_buffers": "64MB", "synchronous_commit": "off", "wal_writer_delay": "10s",
		"log_min_messages": "warning",
	}})
	if err != nil {
		return nil, err
	}
	s.toxic = toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	return s, nil
}

func (s *testbed) close() error {
	err := s.server.Close()
	if built := filepath.Join(s.dir, "batch"); s.batch == built {
		err = errors.Join(err, os.Remove(built))
	}
	_ = os.Remove(s.dir) // unless a round has left its logs
	return err
}

// newDatabase makes a database with pending invoices and an empty ledger.
func (s *testbed) newDatabase(ctx context.Context, invoices int, settings []string) (name string, err error) {
	s.rounds++
	name = fmt.Sprintf("torture_%d", s.rounds)
	if err := s.execute(ctx, "postgres", "create database "+name); err != nil {
		return "", err
	}
	if err := lab.Demo(ctx, s.server.URL(name), invoices); err != nil {
		return "", err
	}
	if err := s.execute(ctx, name, refusals); err != nil {
		return "", err
	}
	for _, setting := range settings {
		if err := s.execute(ctx, "postgres", fmt.Sprintf("alter database %s set %s", name, setting)); err != nil {
			return "", err
		}
	}
	return name, s.execute(ctx, "postgres", "checkpoint") // the seed is to survive a crash
}

func (s *testbed) execute(ctx context.Context, database, statement string) error {
	return s.ask(ctx, database, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
}

// ask asks until the database answers.
func (s *testbed) ask(ctx context.Context, database string, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("PostgreSQL did not answer within %s", patience))
	defer cancel()
	for {
		err := s.askOnce(ctx, database, f)
		if err == nil {
			return nil
		}
		if serr := sleep(ctx, askAgain); serr != nil {
			return errors.Join(serr, err)
		}
	}
}

// collect reads a column.
func collect[T any](ctx context.Context, conn *pgx.Conn, query string, args ...any) ([]T, error) {
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

func (s *testbed) askOnce(ctx context.Context, database string, f func(context.Context, *pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.server.URL(database)+"&application_name="+application)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return f(ctx, conn)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
