package pgstore

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// The user's SQL is not to blame for a server that shuts down as it is checked.
func TestLostConnectionIsNoFaultOfTheUsersSQL(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, "empty", nil)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	other, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	for gone := false; !gone; {
		if err := other.QueryRow(t.Context(), `select not pg_terminate_backend($1) or
			not exists (select from pg_stat_activity where pid = $1)`, conn.PgConn().PID()).Scan(&gone); err != nil {
			t.Fatal(err)
		}
	}
	s := fitted{place: Place{book: book.Demo()}, sql: statements{pendingCount: "select 1"}}
	err = s.checkFragments(t.Context(), conn)
	var user *UserSQLError
	if err == nil || errors.As(err, &user) {
		t.Errorf("got %v, want the loss", err)
	}
}
