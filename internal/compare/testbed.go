package compare

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/compare/meter"
	"github.com/billonce/billonce/internal/fault"
)

const (
	application = "billonce/compare"
	dropTimeout = 30 * time.Second
	markSent    = "pending = false, sent_at = clock_timestamp()" // now() is the transaction's start
)

// testbed is a schema of its own with a table of invoices and a ledger, and what
// starts runners there. Nothing outside of it is read or written.
type testbed struct {
	program     Program
	url         string
	environment []string // that a connection needs
	checkpoints bool     // they may be asked for

	conn    *pgx.Conn
	schema  string // and the beginning of its sessions' application_name
	version string // of the server
	meter   *meter.Meter
}

// open makes the schema, if it has room for so many connections.
func (t *testbed) open(ctx context.Context, connections int) (err error) {
	t.schema = "billonce_compare_" + strings.ToLower(rand.Text()[:10])
	if t.conn, err = t.connect(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close(ctx))
		}
	}()
	t.meter = &meter.Meter{Conn: t.conn, Sessions: t.schema + "/", Checkpoints: t.checkpoints}
	t.version, _, _ = strings.Cut(t.conn.PgConn().ParameterStatus("server_version"), " ") // packagers add words of their own
	if err := t.room(ctx, connections); err != nil {
		return err
	}
	if _, err := t.conn.Exec(ctx, "create schema "+t.schema); err != nil {
		return fmt.Errorf("make a schema for the comparison (grant create on the database to this role): %w", err)
	}
	return t.build(ctx)
}

// room refuses what would end with "too many clients" half-way.
func (t *testbed) room(ctx context.Context, need int) error {
	var most, used int
	err := t.conn.QueryRow(ctx, `select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
		(select count(*) from pg_stat_activity where backend_type = 'client backend')`).Scan(&most, &used)
	if err != nil {
		return fmt.Errorf("read the number of connections: %w", err)
	}
	if used+need > most {
		return fmt.Errorf("the comparison needs up to %d connections, and the server has %d left: ask for fewer --runners or a lower --concurrency",
			need, max(0, most-used))
	}
	return nil
}

func (t *testbed) build(ctx context.Context) error {
	cfg, err := t.config()
	if err != nil {
		return err
	}
	cfg.RuntimeParams["search_path"] = t.schema
	if err := pgstore.Seed(ctx, cfg, 0); err != nil {
		return err
	}
	b, faults := book.Parse(book.Settings{
		Schema: t.schema, Invoices: t.table("invoices"), ID: "id", Pending: "pending", MarkSent: markSent, Namespace: t.schema,
	})
	if err := fault.Join(nil, faults); err != nil {
		return err
	}
	if _, err := pgstore.Migrate(ctx, cfg, b); err != nil {
		return err
	}
	// Autovacuum would fall on one sample and not on another.
	for _, table := range []string{"invoices", "deliveries", "history", "runs"} {
		if _, err := t.conn.Exec(ctx, "alter table "+t.table(table)+" set (autovacuum_enabled = false)"); err != nil {
			return fmt.Errorf("keep autovacuum away: %w", err)
		}
	}
	return nil
}

// refill makes every sample find the same.
func (t *testbed) refill(ctx context.Context, invoices int) error {
	for _, statement := range []string{
		fmt.Sprintf("truncate %s, %s, %s, %s restart identity", t.table("invoices"), t.table("deliveries"), t.table("history"), t.table("runs")),
		fmt.Sprintf(`insert into %s (customer, amount_cents, currency, due_date)
			select 'Customer ' || n, 100 + (n * 7919) %% 100000, 'EUR', current_date + 3 from generate_series(1, %d) as n`, t.table("invoices"), invoices),
		// It sets what a first reader of the rows would otherwise have to set.
		fmt.Sprintf("vacuum (freeze, analyze) %s, %s", t.table("invoices"), t.table("deliveries")),
	} {
		if _, err := t.conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("fill the comparison's table: %w", err)
		}
	}
	return nil
}

// restore is a backup that is restored from before any of the invoices was sent: they are
// pending, the ledger is the same and knows of none, and its tables are made anew.
func (t *testbed) restore(ctx context.Context, invoices int) error {
	if err := t.refill(ctx, invoices); err != nil {
		return err
	}
	_, err := t.conn.Exec(ctx, fmt.Sprintf(`begin;
		alter table %[1]s rename to lost;
		create table %[1]s (like %[2]s including all);
		insert into %[1]s select * from %[2]s;
		drop table %[2]s;
		commit`, t.table("ledger"), t.table("lost")), pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return fmt.Errorf("restore the ledger: %w", err)
	}
	return nil
}

// close removes the schema, whatever became of the comparison and of its connection.
func (t *testbed) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), dropTimeout,
		fmt.Errorf("the database did not let go of it within %s", dropTimeout))
	defer cancel()
	_ = t.conn.Close(ctx) // it may be broken, or hold the table locked
	conn, err := t.connect(ctx)
	if err == nil {
		_, err = conn.Exec(ctx, "drop schema if exists "+t.schema+" cascade", pgx.QueryExecModeSimpleProtocol)
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		return fmt.Errorf("remove the comparison's schema (do it by: drop schema %s cascade): %w", t.schema, err)
	}
	return nil
}

func (t *testbed) table(name string) string { return t.schema + "." + name }

func (t *testbed) config() (*pgx.ConnConfig, error) {
	return pgstore.ParseURL(t.url, application)
}

func (t *testbed) connect(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := t.config()
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}

// urlFor is the database's URL for one runner, whose sessions are known by their
// application_name.
func (t *testbed) urlFor(runner string) string {
	name := t.schema + "/" + runner
	if u, err := url.Parse(t.url); err == nil && u.Scheme != "" {
		q := u.Query()
		q.Set("application_name", name)
		u.RawQuery = q.Encode()
		return u.String()
	}
	return t.url + " application_name=" + name
}
