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

	"billonce/internal/billing/book"
	"billonce/internal/billing/pgstore"
	"billonce/internal/fault"
)

const (
	dropTimeout = 30 * time.Second
	markSent    = "pending = false, sent_at = clock_timestamp()" // now() is the transaction's start
)

// stand is where a comparison takes place: a schema of its own with a table of
// invoices and a ledger. Nothing outside of it is read or written.
type stand struct {
	conn        *pgx.Conn
	schema      string // and the beginning of its sessions' application_name
	url         string
	version     string
	number      int // the server's version, as in 150018
	checkpoints bool
}

func openStand(ctx context.Context, c Comparison) (_ *stand, err error) {
	s := &stand{schema: "billonce_compare_" + strings.ToLower(rand.Text()[:10]), url: c.URL, checkpoints: !c.OwnServer}
	if s.conn, err = s.connect(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	err = s.conn.QueryRow(ctx, "select current_setting('server_version'), current_setting('server_version_num')::integer").Scan(&s.version, &s.number)
	if err != nil {
		return nil, fmt.Errorf("read the server's version: %w", err)
	}
	s.version, _, _ = strings.Cut(s.version, " ") // packagers add words of their own
	if err := s.room(ctx, c.Settings); err != nil {
		return nil, err
	}
	if _, err := s.conn.Exec(ctx, "create schema "+s.schema); err != nil {
		return nil, fmt.Errorf("make a schema for the comparison (grant create on the database to this role): %w", err)
	}
	return s, s.build(ctx)
}

// room refuses what would end with "too many clients" half-way.
func (s *stand) room(ctx context.Context, c Settings) error {
	var most, used int
	err := s.conn.QueryRow(ctx, `select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
		(select count(*) from pg_stat_activity where backend_type = 'client backend')`).Scan(&most, &used)
	if err != nil {
		return fmt.Errorf("read the number of connections: %w", err)
	}
	if need := c.connections(); used+need > most {
		return fmt.Errorf("the comparison needs up to %d connections, and the server has %d left: ask for fewer --runners or a lower --concurrency",
			need, max(0, most-used))
	}
	return nil
}

func (s *stand) build(ctx context.Context) error {
	cfg, err := s.config()
	if err != nil {
		return err
	}
	cfg.RuntimeParams["search_path"] = s.schema
	if err := pgstore.Seed(ctx, cfg, 0); err != nil {
		return err
	}
	b, faults := book.Parse(book.Settings{
		Schema: s.schema, Invoices: s.table("invoices"), ID: "id", Pending: "pending", MarkSent: markSent, Namespace: s.schema,
	})
	if err := fault.Join(nil, faults); err != nil {
		return err
	}
	if _, err := pgstore.Migrate(ctx, cfg, b); err != nil {
		return err
	}
	// Autovacuum would fall on one cell and not on another.
	for _, table := range []string{"invoices", "deliveries", "history", "runs"} {
		if _, err := s.conn.Exec(ctx, "alter table "+s.table(table)+" set (autovacuum_enabled = false)"); err != nil {
			return fmt.Errorf("keep autovacuum away: %w", err)
		}
	}
	return nil
}

// refill makes every cell find the same.
func (s *stand) refill(ctx context.Context, invoices int) error {
	for _, statement := range []string{
		fmt.Sprintf("truncate %s, %s, %s, %s restart identity", s.table("invoices"), s.table("deliveries"), s.table("history"), s.table("runs")),
		fmt.Sprintf(`insert into %s (customer, amount_cents, currency, due_date)
			select 'Customer ' || n, 100 + (n * 7919) %% 100000, 'EUR', current_date + 3 from generate_series(1, %d) as n`, s.table("invoices"), invoices),
		// It sets what a first reader of the rows would otherwise have to set.
		fmt.Sprintf("vacuum (freeze, analyze) %s, %s", s.table("invoices"), s.table("deliveries")),
	} {
		if _, err := s.conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("fill the comparison's table: %w", err)
		}
	}
	return nil
}

// close removes the schema, whatever became of the comparison and of its connection.
func (s *stand) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), dropTimeout,
		fmt.Errorf("the database did not let go of it within %s", dropTimeout))
	defer cancel()
	_ = s.conn.Close(ctx) // it may be broken, or hold the table locked
	conn, err := s.connect(ctx)
	if err == nil {
		_, err = conn.Exec(ctx, "drop schema if exists "+s.schema+" cascade", pgx.QueryExecModeSimpleProtocol)
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		return fmt.Errorf("remove the comparison's schema (do it by: drop schema %s cascade): %w", s.schema, err)
	}
	return nil
}

func (s *stand) table(name string) string { return s.schema + "." + name }

func (s *stand) config() (*pgx.ConnConfig, error) {
	return pgstore.ParseURL(s.url, application)
}

func (s *stand) connect(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := s.config()
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
func (s *stand) urlFor(runner string) string {
	name := s.schema + "/" + runner
	if u, err := url.Parse(s.url); err == nil && u.Scheme != "" {
		q := u.Query()
		q.Set("application_name", name)
		u.RawQuery = q.Encode()
		return u.String()
	}
	return s.url + " application_name=" + name
}
