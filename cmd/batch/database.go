package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/doctor"
	"github.com/billonce/billonce/internal/pgerr"
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
	defer func() { err = d.explain(err) }()
	// People's commands need no speed, and may be given a pooler's URL.
	d.main, d.lock = pgstore.Unprepared(d.main), pgstore.Unprepared(d.lock)
	return f(ctx, c, d)
}

// explain ends an error of the database with what to do about it.
func (d *database) explain(err error) error {
	var unconnected *pgconn.ConnectError
	var unsafe *advisory.UnsafeError
	if !errors.As(err, &unconnected) || errors.As(err, &unsafe) {
		return err
	}
	variable, cfg := "DATABASE_URL", d.main
	if at := unconnected.Config; !d.sameServer && at.Host == d.lock.Host && at.Port == d.lock.Port && at.User == d.lock.User && at.Database == d.lock.Database {
		variable, cfg = "LOCK_DATABASE_URL", d.lock
	}
	seen, remedy := pgstore.Unreachable(variable, cfg, err)
	return &explainedError{fmt.Sprintf("%s: %s. %s", variable, seen, remedy), err}
}

// explainRights does so where the role lacks a right that `batch migrate --role` gives.
func (d *database) explainRights(err error) error {
	if !pgerr.Is(err, pgerrcode.InsufficientPrivilege) || pgerr.Raised(err) {
		return err
	}
	return fmt.Errorf("%w; as the owner of the tables, run `%s` (for the page's role with --for serve)", err, doctor.GrantCommand(d.main.User))
}

// explainedError says for people what an error means.
type explainedError struct {
	text string
	err  error
}

func (e *explainedError) Error() string { return e.text }

func (e *explainedError) Unwrap() error { return e.err }

// withDesk runs a command that shows people the ledger, or decides for them.
func (a app) withDesk(ctx context.Context, f func(context.Context, *pgdesk.Desk) error) error {
	return a.withDatabase(ctx, func(ctx context.Context, c settings, d *database) error {
		desk, err := pgdesk.Open(ctx, d.main, c.deskBook())
		if err != nil {
			return d.explainRights(configurationFault(err))
		}
		return errors.Join(d.explainRights(configurationFault(f(ctx, desk))), desk.Close(ctx))
	})
}
