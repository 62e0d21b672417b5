// Package pgstore keeps the ledger and the invoices' locks in PostgreSQL.
//
// A run uses six connections, whatever its concurrency: the run lock's, one for
// each of its three claims, the writer's (scan, second look, intents), and the
// settler's (outcomes, and the intents that take their place). It has all of them before its first request, and keeps them. While slow
// requests keep claims open, five more claims stand in, where there is room for them.
package pgstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/book"
)

// Claims is how many claims a run has open at the same time, MostClaims where slow
// requests keep them open.
const (
	Claims     = 3
	MostClaims = 8
)

// Config of a run's store.
type Config struct {
	Conn           *pgx.ConnConfig
	Pooled         bool // Conn leads through a pooler: nothing may be left in a session
	Book           book.Book
	RunID          uuid.UUID
	Strategy       string              // advisory or row
	LongestRequest time.Duration       // a lock must outlive it
	Row            bool                // requests need the row as JSON
	Columns        []string            // columns that requests need as text
	Mentions       []billing.Mention   // the names in the requests' templates
	RowsTime       time.Duration       // for one statement that reads or marks some invoices; 0: ten seconds
	Only           []billing.InvoiceID // the run is of these alone; none: of all that are pending
	Log            zerolog.Logger
}

// Store is one run's access to PostgreSQL. It is the engine's Scanner and its
// Ledger, and makes its Claimers.
type Store struct {
	fitted
	cfg     Config
	writer  link
	settler link
	room    room
	foreign foreign
	hangs   hangs

	mu       sync.Mutex
	spare    []*pgx.Conn // for claims
	claimers int         // that are in use
	apart    time.Time   // until when what begins and what ends are committed apart

	hasSettled atomic.Bool // and the run's row says so

	ledger atomic.Pointer[uuid.UUID] // its id, once it was asked for

	home   atomic.Pointer[home]      // the database that is written to; nil: any
	moved  atomic.Bool               // it was failed over since the run began
	record atomic.Pointer[RunRecord] // of this run, once it has begun
}

// Open connects, and refuses a database that does not fit: a schema that is
// missing, older or newer (*SchemaError), no such table, a fragment that is
// not SQL (*UserSQLError).
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{cfg: cfg}
	s.cfg.RowsTime = cmp.Or(cfg.RowsTime, rowsTime)
	if cfg.Pooled {
		s.cfg.Conn = Unprepared(cfg.Conn)
	}
	s.writer, s.settler = s.newLink(), s.newLink()
	if settings := s.settler.settings; settings != nil {
		// A statement is prepared before its transaction has begun, and waits for who
		// has locked the invoices' table as a whole.
		s.settler.settings = func(conn *pgx.Conn) string { return settings(conn) + "; set lock_timeout = '100ms'" }
		s.writer.settings = func(conn *pgx.Conn) string { return settings(conn) + readLimits("set") }
	}
	err := s.bounded(ctx, readTime, func() error { return s.ask(ctx, s.fit) })
	if err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

// fit looks at the database, and takes what it needs to know of it.
func (s *Store) fit(ctx context.Context, conn *pgx.Conn) (err error) {
	c := s.cfg
	if s.fitted, err = fit(ctx, conn, c.Book, request{row: c.Row, columns: c.Columns, only: len(c.Only) > 0, mentions: c.Mentions}); err != nil {
		return err
	}
	table, err := advisory.ReadTable(ctx, conn)
	if err != nil {
		return err
	}
	s.room.set(table.Share() / Claims)
	// Last: it ends the transaction that is open through a pooler.
	hangs, err := s.checkTwins(ctx, conn)
	s.hangs.met.Store(hangs)
	return err
}

// TakeForClaims takes idle connections over for the first claims, and prepares them for
// being idle for as long as the run lock is waited for. One whose connection breaks
// meanwhile makes its own.
func (s *Store) TakeForClaims(ctx context.Context, conns ...*pgx.Conn) {
	ctx, cancel := detach(ctx)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range conns {
		if conn.PgConn().Exec(ctx, advisory.SessionSettings(conn, s.cfg.LongestRequest)).Close() == nil {
			s.spare = append(s.spare, conn)
		}
	}
}

// Close ends the store's connections.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	spare := s.spare
	s.spare = nil
	s.mu.Unlock()
	ctx, cancel := detach(ctx)
	defer cancel()
	for _, conn := range spare {
		_ = conn.Close(ctx)
	}
	return errors.Join(s.writer.close(ctx), s.settler.close(ctx))
}

// NewClaimer returns a claimer of the configured lock strategy.
func (s *Store) NewClaimer() *Claimer {
	c := &Claimer{store: s}
	c.conn, c.extra = s.takeSpare()
	c.lock = c.lockAdvisory
	if s.cfg.Strategy == "row" {
		c.lock = c.lockRow
	}
	return c
}

// takeSpare is for one more claimer; extra: the run can do without it.
func (s *Store) takeSpare() (conn *pgx.Conn, extra bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claimers++
	if len(s.spare) > 0 {
		conn, s.spare = s.spare[0], s.spare[1:]
	}
	return conn, s.claimers > Claims
}

func (s *Store) integerKey() bool { return isInteger(s.place.keyType) }

func isInteger(keyType string) bool { return keyType == "bigint" || keyType == "integer" }

// newLink is a connection on which no time-out of the DBA's ends our statements,
// or the connection while it is rightly idle. Through a pooler a setting would
// stay behind for the next client: there, each transaction has its own.
func (s *Store) newLink() link {
	if s.cfg.Pooled {
		return link{cfg: s.cfg.Conn}
	}
	return link{cfg: s.cfg.Conn, settings: func(conn *pgx.Conn) string {
		return advisory.SessionSettings(conn, s.cfg.LongestRequest)
	}}
}

// read runs statements that change nothing, again where the connection breaks.
func (s *Store) read(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	return s.insist(ctx, readTime, func() error { return s.ask(ctx, f) })
}

// insist tries again where the connection breaks, for as long as is reasonable. limit is
// how long the server works on each statement.
func (s *Store) insist(ctx context.Context, limit time.Duration, f func() error) error {
	ctx, cancel := patiently(ctx)
	defer cancel()
	return persistIf(ctx, mayPassSoon, func() error { return s.bounded(ctx, limit, f) }, func(err error, try int) {
		s.cfg.Log.Warn().Err(err).Int("try", try).Msg("the database did not answer: asking again")
	})
}

// ask runs statements that change nothing on the writer's connection.
func (s *Store) ask(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	return s.writer.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if !s.cfg.Pooled {
			return f(ctx, conn)
		}
		begin := "begin isolation level read committed; " + s.readSettings(conn)
		if err := conn.PgConn().Exec(ctx, begin).Close(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if err := f(ctx, conn); err != nil {
			return err // the link closes a connection whose transaction is open
		}
		return conn.PgConn().Exec(ctx, "rollback").Close()
	})
}

// CountPending counts the pending invoices, for people. It is not waited for where one is
// known to make it hang.
func (s *Store) CountPending(ctx context.Context) (n int64, err error) {
	if err := s.hangs.error(); err != nil {
		return 0, err
	}
	err = s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.pendingCount).Scan(&n)
	})
	return n, err
}

func seconds[T ~float64](s T) time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// keys writes ids as a PostgreSQL array (manual, 8.15.6), which a parameter of
// any type of key takes as it is: a cast in the statement would be done again
// for every row.
func keys[T ~string](ids []T) string {
	var b strings.Builder
	size := 2
	for _, id := range ids {
		size += len(id) + len(`"",`)
	}
	b.Grow(size)
	b.WriteByte('{')
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		for _, c := range []byte(id) {
			if c == '"' || c == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

func (s *Store) runID() string { return s.cfg.RunID.String() }
