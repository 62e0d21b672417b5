package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/pgtemp"
)

const (
	embeddedDir      = ".billonce"
	embeddedDatabase = "postgres"
	shutdownTimeout  = 30 * time.Second
)

// database is where a command works: the user's, or an embedded one that ends
// with the command.
type database struct {
	main, lock *pgx.ConnConfig
	sameServer bool // main and lock are one URL
	pooled     bool // main leads through a pooler, as the first connections have shown
	proven     proven
	server     *pgtemp.Server
}

func (a app) openDatabase(ctx context.Context, c settings) (*database, error) {
	var d database
	mainURL, lockURL := c.DatabaseURL, c.LockDatabaseURL
	if mainURL == config.Embedded || lockURL == config.Embedded {
		server, err := pgtemp.Start(ctx, pgtemp.Options{Dir: embeddedDir, Getenv: a.getenv})
		if err != nil {
			return nil, fmt.Errorf("start the embedded PostgreSQL: %w", err)
		}
		d.server = server
		if server.PID() == 0 {
			fmt.Fprintln(a.stderr, "Using the embedded PostgreSQL that another command has started: it stops when that command ends.")
		}
		if mainURL == config.Embedded {
			mainURL = server.URL(embeddedDatabase)
		}
		if lockURL == config.Embedded {
			lockURL = server.URL(embeddedDatabase)
		}
	}
	var err error
	if d.main, err = pgstore.ParseURL(mainURL, a.applicationName(c)); err != nil {
		return nil, errors.Join(usage(fmt.Errorf("DATABASE_URL: %w", err)), d.close())
	}
	// One name for both: by it a run is known to live.
	if d.lock, err = pgstore.ParseURL(lockURL, d.main.RuntimeParams["application_name"]); err != nil {
		return nil, errors.Join(usage(fmt.Errorf("LOCK_DATABASE_URL: %w", err)), d.close())
	}
	d.sameServer = mainURL == lockURL
	return &d, nil
}

// proven are idle connections over which locks were seen to lock: claims and the run
// lock begin with them. Whoever uses one may close it; the database does at its end.
type proven struct {
	claims  []*pgx.Conn
	session *pgx.Conn // nil: none
}

func (d *database) close() error {
	for _, conn := range append(d.proven.claims, d.proven.session) {
		closeProven(conn)
	}
	if d.server == nil {
		return nil
	}
	return d.server.Close()
}

// connectPair makes two connections at once.
func connectPair(ctx context.Context, cfg *pgx.ConnConfig) (a, b *pgx.Conn, err error) {
	var both errgroup.Group
	for _, into := range []**pgx.Conn{&a, &b} {
		both.Go(func() (err error) {
			*into, err = pgx.ConnectConfig(ctx, cfg)
			return err
		})
	}
	if err := both.Wait(); err != nil {
		closeProven(a)
		closeProven(b)
		return nil, nil, fmt.Errorf("connect to the database: %w", pgstore.RefuseTooFew(err))
	}
	return a, b, nil
}

// closeProven ignores errors: what a pooler has thrown out is closed already, and says so.
func closeProven(conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

// farewellTimeout bounds the farewell to a server that may be out of reach.
const farewellTimeout = 5 * time.Second

// withDatabase runs a command that needs the database and no billing API.
func (a app) withDatabase(ctx context.Context, f func(context.Context, settings, *database) error) (err error) {
	c, err := a.settings(config.Database)
	if err != nil {
		return err
	}
	d, err := a.openDatabase(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	// People's commands need no speed, and may be given a pooler's URL.
	d.main, d.lock = pgstore.Unprepared(d.main), pgstore.Unprepared(d.lock)
	return f(ctx, c, d)
}

// withDesk runs a command that shows people the ledger, or decides for them.
func (a app) withDesk(ctx context.Context, f func(context.Context, *pgdesk.Desk) error) error {
	return a.withDatabase(ctx, func(ctx context.Context, c settings, d *database) error {
		desk, err := pgdesk.Open(ctx, d.main, c.deskBook())
		if err != nil {
			return configurationFault(err)
		}
		return errors.Join(f(ctx, desk), desk.Close(ctx))
	})
}
