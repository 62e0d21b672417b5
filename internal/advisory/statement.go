package advisory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// statementTimeout bounds one statement on a lock connection. None of them
	// waits for a lock, so that only a server out of reach takes so long.
	statementTimeout = 15 * time.Second
	// closeTimeout bounds the farewell to a server that may be out of reach.
	closeTimeout = 5 * time.Second
)

// OnPrimary begins a statement that only reads, and must not be answered by a standby:
// pgpool-II sends what begins with a comment to the primary (manual, 5.8, Load
// Balancing), whatever it balances else. To anybody else it is a comment.
const OnPrimary = "/*NO LOAD BALANCE*/ "

// simple runs SQL without parameters by the simple protocol and returns the
// last statement's rows as text.
//
// It is not cancelled with ctx: pgx closes a connection whose statement is
// cancelled, and its locks would go with it. It is not the extended protocol
// either: that takes a round trip more for a new statement, breaks behind
// poolers that move prepared statements, and leaves a portal open inside a
// transaction, see TryLockAll.
func simple(ctx context.Context, conn *pgx.Conn, sql string) ([][][]byte, error) {
	ctx, cancel := context.WithTimeoutCause(Detach(ctx), statementTimeout,
		fmt.Errorf("no answer on a lock connection within %s", statementTimeout))
	defer cancel()
	if strings.HasPrefix(sql, "select") {
		sql = OnPrimary + sql
	}
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, withCause(ctx, err)
	}
	if len(results) == 0 {
		return nil, nil
	}
	return results[len(results)-1].Rows, nil
}

// ask returns the one value that a statement answers.
func ask(ctx context.Context, conn *pgx.Conn, sql string) (string, error) {
	rows, err := simple(ctx, conn, sql)
	if err != nil {
		return "", err
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return "", fmt.Errorf("%s: answered %d rows instead of one value", sql, len(rows))
	}
	return string(rows[0][0]), nil
}

// askBool is ask for a statement that answers a boolean.
func askBool(ctx context.Context, conn *pgx.Conn, sql string) (bool, error) {
	answer, err := ask(ctx, conn, sql)
	if err != nil {
		return false, err
	}
	switch answer { // the text form of boolean (manual, 8.6)
	case "t":
		return true, nil
	case "f":
		return false, nil
	}
	return false, fmt.Errorf("%s: answered %q instead of a boolean", sql, answer)
}

// closeConn closes a connection, also when ctx is cancelled. One that failed is
// closed already, its farewell under way in the background: there is no waiting
// for a server that may be out of reach.
func closeConn(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(Detach(ctx), closeTimeout)
	defer cancel()
	return conn.Close(ctx)
}

// withCause names the time-out that made err.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}
