package main

import (
	"context"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/pgtemp/pgtest"
)

// P11: what the manual shows the person on call is what they see, and what it has them do
// helps.
func TestP11TheNightOnCall(t *testing.T) {
	t.Parallel()
	database := pgtest.DB(t, "empty", nil)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	name := u.Path[1:]
	restored := *u
	restored.Path += "_restored"
	t.Cleanup(func() { dropRestored(t, database, name+"_restored") })
	document{
		t: t, path: "../../docs/operations.md", section: "## A night on call", url: database,
		replace: map[string]string{
			"postgres://localhost/billing":          "'" + database + "'",
			"postgres://localhost/restored_billing": "'" + restored.String() + "'",
			"restored_billing template billing":     name + "_restored template " + name,
		},
	}.run()
}

func dropRestored(t *testing.T, database, name string) {
	conn, err := pgx.Connect(context.Background(), database)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "drop database if exists "+pgx.Identifier{name}.Sanitize()); err != nil {
		t.Error(err)
	}
}
