package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/fault"
	"github.com/billonce/billonce/internal/pgerr"
)

const (
	connectTimeout   = 10 * time.Second
	statementTimeout = 90 * time.Second // of the client; the server's own is shorter

	// patience is how long the database may be away before a run gives up what it
	// has not begun. It covers one statement that was never answered, and a
	// restart behind it. What was begun is settled without it.
	patience = 3 * time.Minute
)

func patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, patience, fmt.Errorf("the database was away for %s", patience))
}

// ParseURL reads a PostgreSQL URL; its errors hold no password. The
// application name is what DBAs and other runners see, unless the URL has one.
func ParseURL(url, application string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = application
	}
	// Go's text is UTF-8, whatever the database's encoding.
	cfg.RuntimeParams["client_encoding"] = "UTF8"
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	return cfg, nil
}

// CheckURL says what is wrong with a PostgreSQL URL, and no more than it must: pgx
// masks passwords in its errors only as far as it recognises them.
func CheckURL(variable, url string) []fault.Fault {
	_, err := pgx.ParseConfig(url)
	var unreadable *fs.PathError
	encode := "a password with one of # / ? % @ : in it is percent-encoded there (%23 %2F %3F %25 %40 %3A)"
	switch {
	case unescaped(url):
		return []fault.Fault{{Variable: variable, Problem: "ends before its @: " + encode}}
	case err == nil:
		return nil
	case ofParameter(err) != "":
		return []fault.Fault{{Variable: variable, Problem: ofParameter(err)}}
	case strings.Contains(url, "://") && strings.Contains(url, "@") && !errors.As(err, &unreadable):
		return []fault.Fault{{Variable: variable, Problem: "is not a PostgreSQL connection string; write for example postgres://user:password@host:5432/database; " + encode}}
	case errors.As(err, &unreadable):
		return []fault.Fault{fault.New(variable, "names a file (certificate, key, password or service) that cannot be read: %v", unreadable.Err)}
	}
	return []fault.Fault{fault.New(variable, "is not a PostgreSQL connection string; write for example postgres://user@host:5432/database, or embedded to try things out")}
}

// ofParameter is what is wrong with one parameter of a connection string that is
// well-formed. It quotes nothing of it. Empty: none that is known.
func ofParameter(err error) string {
	text := err.Error() // pgx has no types for these
	said := text[strings.LastIndex(text, "`: ")+1:]
	for _, p := range []struct{ said, problem string }{
		{"(sslmode is invalid)", "has an unknown sslmode; write disable, allow, prefer, require, verify-ca or verify-full"},
		{"unknown target_session_attrs value", "has an unknown target_session_attrs; write any, read-write, read-only, primary, standby or prefer-standby"},
		{"invalid connect_timeout", "has a connect_timeout that is not a number of seconds; write for example connect_timeout=10"},
		{`(both "sslcert" and "sslkey" are required)`, "has only one of sslcert and sslkey; write both"},
		{"(unable to add CA to cert pool)", "has an sslrootcert that holds no certificate; name a PEM file"},
	} {
		if strings.Contains(said, p.said) {
			return p.problem
		}
	}
	return ""
}

// Unprepared is cfg for a pooler, which may move sessions between processes:
// a statement that was prepared in one is unknown in the next. Each is sent
// whole instead, in one round trip (pgx.QueryExecModeExec).
func Unprepared(cfg *pgx.ConnConfig) *pgx.ConnConfig {
	cfg = cfg.Copy()
	if cfg.DefaultQueryExecMode != pgx.QueryExecModeSimpleProtocol {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	return cfg
}

// link is one connection that is made anew when it breaks. It serves one
// caller at a time.
type link struct {
	cfg      *pgx.ConnConfig
	settings func(*pgx.Conn) string // run once on each connection; nil: none
	mu       sync.Mutex
	conn     *pgx.Conn
}

// use runs f on the connection. Neither f nor the connection is tied to the
// caller's cancellation: a cancelled query closes a pgx connection, and leaves
// the fate of a commit unknown.
func (l *link) use(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(advisory.Detach(ctx), statementTimeout,
		fmt.Errorf("no answer from the database within %s", statementTimeout))
	defer cancel()
	if l.conn == nil || l.conn.IsClosed() {
		conn, err := pgx.ConnectConfig(ctx, l.cfg)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		l.conn = conn
		if l.settings != nil {
			if err := conn.PgConn().Exec(ctx, l.settings(conn)).Close(); err != nil {
				_ = conn.Close(ctx)
				return fmt.Errorf("prepare a connection: %w", err)
			}
		}
	}
	err := f(ctx, l.conn)
	if l.conn.IsClosed() || l.conn.PgConn().TxStatus() != 'I' || err != nil && (connectionLost(err) || errors.Is(err, billing.ErrFailedOver)) {
		// What was left open must not be met by the next caller, nor a standby, nor an old primary.
		_ = l.conn.Close(ctx)
		l.conn = nil
	}
	return err
}

func (l *link) close(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(advisory.Detach(ctx), connectTimeout)
	defer cancel()
	err := l.conn.Close(ctx)
	l.conn = nil
	return err
}

// passing says whether the same statement may succeed if it is tried again: the
// connection broke, the server is restarting or full, or two transactions met.
func passing(err error) bool {
	return connectionLost(err) || !pgerr.Raised(err) && mayPass(err)
}

func mayPass(err error) bool {
	return pgerr.InClass(err, pgerrcode.InsufficientResources) ||
		pgerr.Is(err, pgerrcode.SerializationFailure, pgerrcode.DeadlockDetected, pgerrcode.LockNotAvailable, pgerrcode.QueryCanceled)
}

// errStandby says that the connection leads to a server in recovery. In a fail-over
// it may be promoted in a moment, or the address lead to another one by then.
var errStandby = errors.New("the server is a standby")

// begun makes errStandby of a BEGIN … READ WRITE that a standby refuses. The same code
// has other meanings in other statements.
func begun(err error) error {
	if pgerr.Is(err, pgerrcode.FeatureNotSupported) {
		return fmt.Errorf("%w: %w", errStandby, err)
	}
	return err
}

// connectionLost says that the connection broke, could not be made, or leads to a
// standby: nothing is known about the statement itself.
func connectionLost(err error) bool {
	var unconnected *pgconn.ConnectError
	if errors.Is(err, errStandby) || errors.As(err, &unconnected) {
		return true
	}
	if pg := pgerr.From(err); pg != nil {
		return !pgerr.Raised(pg) && (pgerr.InClass(pg, pgerrcode.ConnectionException) ||
			strings.HasPrefix(pg.Code, "57P") || // shutdown, crash, cannot connect now, idle session
			// A DBA's time-out for transactions, after we were frozen in one.
			pgerr.Is(pg, pgerrcode.IdleInTransactionSessionTimeout, pgerr.TransactionTimeout, pgerrcode.TooManyConnections))
	}
	var network net.Error
	return errors.As(err, &network) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) || brokenPipe(err)
}

// brokenPipe recognises a connection that ended in the middle of an exchange.
func brokenPipe(err error) bool {
	text := err.Error()
	return strings.Contains(text, "unexpected EOF") || strings.Contains(text, "conn closed") ||
		strings.Contains(text, "connection reset") || strings.Contains(text, "broken pipe")
}

// persist tries f until it succeeds, fails for good, ctx ends, or the process must.
func persist(ctx context.Context, f func() error, again func(error, int)) error {
	return persistIf(ctx, passing, f, again)
}

func persistIf(ctx context.Context, passing func(error) bool, f func() error, again func(error, int)) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || !passing(err) {
			return err
		}
		again(err, try)
		pause := time.NewTimer(min(50*time.Millisecond<<min(try, 6), 2*time.Second))
		select {
		case <-pause.C:
			continue
		case <-ctx.Done():
		case <-advisory.Ended(ctx):
		}
		pause.Stop()
		return err
	}
}
