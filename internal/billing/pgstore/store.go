// Package pgstore keeps the ledger and the invoices' locks in PostgreSQL.
//
// A run uses six connections, whatever its concurrency: the run lock's, one for
// each of its three claims, the writer's (scan, second look, intents), and the
// settler's. While slow requests keep claims open, five more claims stand in.
package pgstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"
	"github.com/rs/zerolog"

	"billonce/internal/advisory"
	"billonce/internal/billing"
	"billonce/internal/failpoint"
)

// Lanes is how many claims a run has open at the same time, MostLanes where slow
// requests keep them open.
const (
	Lanes     = 3
	MostLanes = 8
)

// Config of a run's store.
type Config struct {
	Conn           *pgx.ConnConfig
	Pooled         bool // Conn leads through a pooler: nothing may be left in a session
	Book           Book
	RunID          uuid.UUID
	Strategy       string              // advisory or row
	LongestRequest time.Duration       // a lock must outlive it
	Row            bool                // requests need the row as JSON
	Columns        []string            // columns that requests need as text
	Only           []billing.InvoiceID // the run is of these alone; none: of all that are pending
	Log            zerolog.Logger
}

// Store is one run's access to PostgreSQL. It implements billing's Scanner,
// Looker, Intender and Settler, and makes its Claimers.
type Store struct {
	cfg     Config
	book    Book
	keyType string
	sql     statements
	writer  link
	settler link
	room    room
	mark    markSent

	mu    sync.Mutex
	spare []*pgx.Conn // for claims
}

// Open connects, and refuses a database that does not fit: a schema that is
// missing, older or newer (*SchemaError), no such table, a fragment that is
// not SQL (*UserSQLError).
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{cfg: cfg, book: cfg.Book}
	if cfg.Pooled {
		s.cfg.Conn = Unprepared(cfg.Conn)
	}
	s.writer, s.settler = s.newLink(), s.newLink()
	err := s.ask(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := s.prepare(ctx, conn); err != nil {
			return err
		}
		table, err := advisory.ReadTable(ctx, conn)
		s.room.set(table.Share() / Lanes)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

// TakeForClaims takes idle connections over for the first claims, and prepares them for
// being idle for as long as the run lock is waited for. The other claims make their own,
// and so does one whose connection breaks meanwhile.
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

// prepare looks at the schema and the tables, and makes the statements for them.
func (s *Store) prepare(ctx context.Context, conn *pgx.Conn) error {
	if err := s.book.checkSchema(ctx, conn); err != nil {
		return err
	}
	keyType, err := s.book.keyType(ctx, conn)
	if err != nil {
		return err
	}
	if err := s.book.checkLedgerType(ctx, conn, keyType); err != nil {
		return err
	}
	n, err := s.book.sqlNames(keyType, s.cfg.Row, s.cfg.Columns)
	if err != nil {
		return err
	}
	s.keyType, n.Only = keyType, len(s.cfg.Only) > 0
	if s.mark, err = s.book.markSent(); err != nil {
		return err
	}
	if s.sql, err = newStatements(n); err != nil {
		return err
	}
	if err := s.checkFragments(ctx, conn); err != nil {
		return err
	}
	return s.checkIDs(ctx, conn)
}

// checkIDs refuses a pending invoice without an id: no page of a scan has it, so that
// it would be passed over in silence.
func (s *Store) checkIDs(ctx context.Context, conn *pgx.Conn) error {
	n, err := s.book.parse()
	if err != nil {
		return err
	}
	var required, missing bool
	err = conn.QueryRow(ctx, "select attnotnull from pg_attribute where attrelid = to_regclass($1) and attname = $2",
		n.invoices.Sanitize(), n.id[0]).Scan(&required)
	if err == nil && !required {
		err = conn.QueryRow(ctx, s.sql.missingID).Scan(&missing)
	}
	switch {
	case err != nil:
		return fmt.Errorf("look for pending invoices without an id: %w", err)
	case missing:
		return fmt.Errorf("INVOICES_ID: %w: a pending invoice has none (it is NULL); give it one, or take it out of INVOICES_PENDING", ErrNotUnique)
	}
	return nil
}

// Close ends the store's connections.
func (s *Store) Close(ctx context.Context) error {
	return errors.Join(s.writer.close(ctx), s.settler.close(ctx))
}

// NewClaimer returns a claimer of the configured lock strategy, for one lane.
func (s *Store) NewClaimer() billing.Claimer {
	c := claimer{store: s, conn: s.takeSpare()}
	if s.cfg.Strategy == "row" {
		return &rowClaimer{c}
	}
	return &advisoryClaimer{c}
}

func (s *Store) takeSpare() (conn *pgx.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.spare) > 0 {
		conn, s.spare = s.spare[0], s.spare[1:]
	}
	return conn
}

func (s *Store) integerKey() bool { return isInteger(s.keyType) }

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
	return s.insist(ctx, func() error { return s.ask(ctx, f) })
}

// insist tries again where the connection breaks, for as long as is reasonable.
func (s *Store) insist(ctx context.Context, f func() error) error {
	ctx, cancel := patiently(ctx)
	defer cancel()
	return persist(ctx, f, func(err error, try int) {
		s.cfg.Log.Warn().Err(err).Int("try", try).Msg("the database did not answer: asking again")
	})
}

// ask runs statements that change nothing on the writer's connection.
func (s *Store) ask(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	return s.writer.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if !s.cfg.Pooled {
			return f(ctx, conn)
		}
		begin := "begin isolation level read committed; " + advisory.TransactionSettings(conn, s.cfg.LongestRequest)
		if err := conn.PgConn().Exec(ctx, begin).Close(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if err := f(ctx, conn); err != nil {
			return err // the link closes a connection whose transaction is open
		}
		return conn.PgConn().Exec(ctx, "rollback").Close()
	})
}

// Scan implements billing.Scanner.
func (s *Store) Scan(ctx context.Context, after, upTo *billing.InvoiceID, limit int) ([]billing.Candidate, error) {
	query, args := s.sql.scan, []any{limit}
	switch {
	case after != nil && upTo != nil:
		query, args = s.sql.scanAfterUpTo, append(args, string(*after), string(*upTo))
	case after != nil:
		query, args = s.sql.scanAfter, append(args, string(*after))
	case upTo != nil:
		query, args = s.sql.scanUpTo, append(args, string(*upTo))
	}
	if len(s.cfg.Only) > 0 {
		args = append(args, keys(s.cfg.Only))
	}
	var page []billing.Candidate
	err := s.read(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		failpoint.Hit("before_scan")
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		page, err = pgx.CollectRows(rows, scanCandidate)
		failpoint.Fail("after_scan", &err)
		return err
	})
	return page, err
}

func scanCandidate(row pgx.CollectableRow) (billing.Candidate, error) {
	var c billing.Candidate
	var due zeronull.Float8
	var attempt, runAttempt zeronull.Int4
	err := row.Scan(&c.ID, (*zeronull.Text)(&c.State), &due, (*zeronull.UUID)(&c.RunID), &attempt, &runAttempt)
	c.DueIn, c.Attempt, c.RunAttempt = seconds(due), int(attempt), int(runAttempt)
	return c, err
}

// Look implements billing.Looker.
func (s *Store) Look(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error) {
	var seen []billing.Invoice
	err := s.read(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
		failpoint.Hit("before_second_look")
		seen, err = s.lookOnce(ctx, conn, ids)
		failpoint.Fail("after_second_look", &err)
		return err
	})
	if err == nil {
		err = s.refuseTwins(seen)
	}
	return seen, err
}

func (s *Store) lookOnce(ctx context.Context, conn *pgx.Conn, ids []billing.InvoiceID) ([]billing.Invoice, error) {
	seen := make([]billing.Invoice, 0, len(ids))
	var tried map[billing.InvoiceID]*billing.Delivery
	wanted := keys(ids)
	var both pgx.Batch
	both.Queue(s.sql.look, wanted).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			seen = append(seen, s.invoice(rows.RawValues()))
		}
		return rows.Err()
	})
	both.Queue(s.sql.lookLedger, wanted).Query(func(rows pgx.Rows) (err error) {
		tried, err = scanDeliveries(rows)
		return err
	})
	if err := conn.SendBatch(ctx, &both).Close(); err != nil {
		return nil, err
	}
	if len(tried) > 0 {
		for i := range seen {
			seen[i].Delivery = tried[seen[i].ID]
		}
	}
	return seen, nil
}

// invoice is a row of look.sql. All its values are text, which looks the same in
// either of PostgreSQL's formats.
func (s *Store) invoice(values [][]byte) billing.Invoice {
	inv := billing.Invoice{ID: billing.InvoiceID(values[0])}
	values = values[1:]
	if s.cfg.Row {
		inv.Row, values = bytes.Clone(values[0]), values[1:]
	}
	if len(values) > 0 {
		inv.Columns = make([]*string, len(values))
		for i, v := range values {
			if v != nil {
				text := string(v)
				inv.Columns[i] = &text
			}
		}
	}
	return inv
}

// scanDeliveries reads look_ledger.sql.
func scanDeliveries(rows pgx.Rows) (map[billing.InvoiceID]*billing.Delivery, error) {
	all := map[billing.InvoiceID]*billing.Delivery{}
	for rows.Next() {
		var id string
		var d billing.Delivery
		var age, due zeronull.Float8
		if err := rows.Scan(&id, &d.State, &d.Attempt, &d.RunAttempt, &d.RunID, &d.BodySHA256,
			&age, &due, &d.Doubtful, &d.DeadlinePassed); err != nil {
			return nil, err
		}
		d.KeyAge, d.DueIn = seconds(age), seconds(due)
		all[billing.InvoiceID(id)] = &d
	}
	return all, rows.Err()
}

// refuseTwins: where one id is that of several invoices, the ledger has one row for
// all of them, and would be no fence between their requests.
func (s *Store) refuseTwins(invoices []billing.Invoice) error {
	met := make(map[billing.InvoiceID]struct{}, len(invoices))
	for _, inv := range invoices {
		if _, twice := met[inv.ID]; twice {
			return fmt.Errorf("INVOICES_ID: %w: several pending invoices have the id %s; choose a column that tells them apart", ErrNotUnique, inv.ID)
		}
		met[inv.ID] = struct{}{}
	}
	return nil
}

// CountPending counts the pending invoices.
func (s *Store) CountPending(ctx context.Context) (n int64, err error) {
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
