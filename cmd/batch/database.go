package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"billonce/internal/billing/pgstore"
	"billonce/internal/config"
	"billonce/internal/pgtemp"
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
	if d.lock, err = pgstore.ParseURL(lockURL, a.applicationName(c)); err != nil {
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

func (a app) getenv(name string) string {
	value, _ := a.env(name)
	return value
}

// applicationName is what pg_stat_activity, the ledger and other runners show:
// the pod and its node, else the host and the process. PostgreSQL cuts it off
// after 63 bytes: what matters most stands first.
func (a app) applicationName(c settings) string {
	if c.PodName != "" {
		return strings.TrimSuffix(fmt.Sprintf("billonce/%s@%s", c.PodName, c.NodeName), "@")
	}
	host := a.getenv("HOSTNAME")
	if host == "" {
		host, _ = os.Hostname()
	}
	return fmt.Sprintf("billonce/%s/%d", host, os.Getpid())
}
