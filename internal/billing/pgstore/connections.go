package pgstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/pgerr"
)

// Connections is how many a run needs to its end: the run lock's, one for each claim,
// the writer's and the settler's.
const Connections = 3 + Claims

// limit is what keeps a program from making one more connection.
type limit struct{ name, remedy string }

// limitOf recognises a refusal for want of connections. A server says it in its own
// language, so that what tells its limits apart is the routine that refused (manual,
// Message Formats, Error and Notice Message Fields); a pooler has a text of its own.
func limitOf(err error) (limit, bool) {
	said := pgerr.From(err)
	if said == nil {
		return limit{}, false
	}
	text := said.Message
	switch {
	case strings.Contains(text, "max_client_conn") || strings.Contains(text, "query_wait_timeout") || strings.Contains(text, "max_user_connections") || strings.Contains(text, "max_db_connections"):
		return pooler(), true
	case said.Code != pgerrcode.TooManyConnections:
		return limit{}, false
	case said.Routine == "InitializeSessionUserId":
		return limit{"the role's limit", "Raise it: alter role … connection limit"}, true
	case said.Routine == "CheckMyDatabase":
		return limit{"the database's limit", "Raise it: alter database … connection limit"}, true
	case said.Routine == "":
		return pooler(), true
	}
	return limit{"the server's limit, max_connections", "Raise it, or end connections that nobody needs (pg_stat_activity shows them)"}, true
}

func pooler() limit {
	return limit{"the pooler's limit", "Raise it (PgBouncer: default_pool_size, max_client_conn, max_db_connections; pgpool-II: num_init_children), or let DATABASE_URL lead past the pooler"}
}

// RefuseTooFew makes an *[advisory.UnsafeError] of a refusal for want of connections; any
// other error stays what it is.
func RefuseTooFew(err error) error {
	if l, is := limitOf(err); is {
		return tooFew(fmt.Sprintf("one was refused by %s: %q", l.name, pgerr.From(err).Message), l)
	}
	return err
}

func tooFew(seen string, l limit) error {
	return &advisory.UnsafeError{
		Seen:   fmt.Sprintf("A run needs %d connections to the database, and %s", Connections, seen),
		Why:    "It could send invoices, and then not write down that it did",
		Remedy: l.remedy,
	}
}

const (
	poolTries    = 3
	poolPatience = 3 * time.Second
)

// ConnectAll makes every connection that the run needs, so that it has them when it needs
// them. A pooler takes clients whom it can't serve: there, each has a transaction open at
// the same time as all others. Too few are an *[advisory.UnsafeError].
func (s *Store) ConnectAll(ctx context.Context) error {
	for try := 1; ; try++ {
		all := newMeeting(Claims + 2)
		if !s.cfg.Pooled {
			all = nil
		}
		err := s.connectAll(ctx, all)
		if err == nil || all == nil || !errors.Is(err, errPoolSmall) {
			return RefuseTooFew(err)
		}
		if try == poolTries {
			return tooFew(fmt.Sprintf("the pooler let %d of them have a transaction at the same time within %s", all.came, poolPatience), pooler())
		}
		// Two runs that start at once may each have half of what both need.
		select {
		case <-time.After(rand.N(poolPatience)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *Store) connectAll(ctx context.Context, all *meeting) error {
	var group errgroup.Group
	for _, l := range []*link{&s.writer, &s.settler} {
		group.Go(func() error { return l.use(ctx, all.join) })
	}
	s.mu.Lock()
	spare := s.spare
	s.spare = nil
	s.mu.Unlock()
	for n := range Claims {
		group.Go(func() (err error) {
			var conn *pgx.Conn
			if n < len(spare) {
				conn = spare[n]
			} else if conn, err = s.connectForClaims(ctx); err != nil {
				return err
			}
			if err := all.join(ctx, conn); err != nil {
				_ = conn.Close(ctx)
				return err
			}
			s.giveSpare(ctx, conn)
			return nil
		})
	}
	return group.Wait()
}

func (s *Store) connectForClaims(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, s.cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if s.cfg.Pooled {
		return conn, nil
	}
	if err := conn.PgConn().Exec(ctx, advisory.SessionSettings(conn, s.cfg.LongestRequest)).Close(); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("prepare a connection: %w", err)
	}
	return conn, nil
}

// giveSpare keeps a connection for the next claim, where it is as good as new and fewer
// are kept than a run needs.
func (s *Store) giveSpare(ctx context.Context, conn *pgx.Conn) {
	s.mu.Lock()
	keep := len(s.spare) < Claims && !conn.IsClosed() && conn.PgConn().TxStatus() == 'I'
	if keep {
		s.spare = append(s.spare, conn)
	}
	s.mu.Unlock()
	if !keep {
		ctx, cancel := detach(ctx)
		defer cancel()
		_ = conn.Close(ctx)
	}
}

var errPoolSmall = errors.New("the pooler does not let all connections have a transaction at the same time")

// meeting is where transactions wait for each other.
type meeting struct {
	mu         sync.Mutex
	came, most int
	all        chan struct{}
}

func newMeeting(most int) *meeting { return &meeting{most: most, all: make(chan struct{})} }

// join opens a transaction, and ends it once all others are open, too.
func (m *meeting) join(ctx context.Context, conn *pgx.Conn) error {
	if m == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, poolPatience)
	defer cancel()
	if err := conn.PgConn().Exec(ctx, "begin").Close(); err != nil {
		if pgconn.Timeout(err) {
			return errPoolSmall
		}
		return err
	}
	m.mu.Lock()
	if m.came++; m.came == m.most {
		close(m.all)
	}
	m.mu.Unlock()
	select {
	case <-m.all:
		return conn.PgConn().Exec(ctx, "rollback").Close()
	case <-ctx.Done():
		_ = conn.Close(context.WithoutCancel(ctx))
		return errPoolSmall
	}
}
