package pgstore

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/sql"
)

// askWhoAfter is when a wait is long enough to ask whom it is for. It is over before the
// wait is.
const askWhoAfter = 40 * time.Millisecond

// watchWait asks who is in the way of conn, if what it does takes so long that it may be
// waiting for a lock. What it returns ends the watch, and tells.
func (s *Store) watchWait(ctx context.Context, conn *pgx.Conn) func() string {
	done, told := make(chan struct{}), make(chan string, 1)
	pid := conn.PgConn().PID()
	if s.cfg.Pooled {
		pid = 0 // the pooler's own, if any
	}
	go func() {
		timer := time.NewTimer(askWhoAfter)
		defer timer.Stop()
		select {
		case <-done:
			told <- ""
		case <-timer.C:
			var names []string
			_ = s.ask(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
				names, err = blocking(ctx, conn, pid)
				return err
			})
			told <- strings.Join(names, ", ")
		}
	}()
	return func() string {
		close(done)
		return <-told
	}
}

// blocking names who is in the way of a backend, of whichever of our application's name
// waits where its id is 0; none: nobody is, or it can't be told.
func blocking(ctx context.Context, conn *pgx.Conn, waiting uint32) (names []string, err error) {
	query, err := sql.Query("blocking", sql.Names{})
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, query, int32(waiting))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var application, user string
		var pid int
		err := row.Scan(&application, &user, &pid)
		if pid == 0 {
			return "a prepared transaction (see pg_prepared_xacts)", err
		}
		return fmt.Sprintf("%s (user %s, pid %d)", cmp.Or(application, "an application without a name"), user, pid), err
	})
}
