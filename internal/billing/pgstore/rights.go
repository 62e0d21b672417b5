package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"billonce/internal/advisory"
	"billonce/internal/billing/book"
	"billonce/internal/pgerr"
)

// right is what a run needs to be allowed: one privilege on one object. Columns
// are those of a table that it is for; none: the whole of it.
type right struct {
	privilege string // as in GRANT: usage, select, insert, update
	kind      string // schema or table
	object    string // quoted
	columns   []string
}

func (r right) String() string {
	privilege := r.privilege
	if len(r.columns) > 0 {
		privilege += " (" + strings.Join(quoted(r.columns), ", ") + ")"
	}
	return privilege + " on " + r.kind + " " + r.object
}

func quoted(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = book.Name{name}.SQL()
	}
	return all
}

// rights is all that a run and a person's commands need, and no more: no delivery is deleted, and no
// column of an invoice changed but those that mark it sent.
func (p Place) rights() ([]right, error) {
	marked, err := p.book.MarkSent.Columns()
	if err != nil {
		return nil, err
	}
	all := []right{
		{"usage", "schema", book.Name{p.schema}.SQL(), nil},
		{"select", "table", p.sql(), nil},
		{"update", "table", p.sql(), marked},
		{"usage", "schema", p.book.Schema.SQL(), nil},
	}
	for _, own := range []struct {
		table      string
		privileges []string
	}{
		{"schema_version", []string{"select"}},
		{"ledger", []string{"select"}},
		{"runs", []string{"select", "insert", "update"}},
		{"deliveries", []string{"select", "insert", "update"}},
		{"reconciliations", []string{"select", "insert", "update"}},
		{"kept", []string{"select", "insert", "update"}}, // what goes goes with its owner's right
		{"set_aside", []string{"select", "insert", "update", "delete"}},
		{"pending_again", []string{"select", "insert", "update", "delete"}},
		{"history", []string{"select", "insert"}}, // the trigger's, too: it has its caller's rights
	} {
		for _, privilege := range own.privileges {
			all = append(all, right{privilege, "table", p.book.Own(own.table), nil})
		}
	}
	// Never whose the ledger is: its id makes the keys.
	return append(all, right{"update", "table", p.book.Own("ledger"), []string{
		"accepted_identity", "accepted_at", "accepted_by", "accepted_reason", "found_identity", "found_at", "newest_sent_at",
		"paused_at", "paused_by", "pause_reason", "not_before", "told_at", "told", "raised_at",
	}}), nil
}

// MissingRights names what the connection's role lacks.
func (p Place) MissingRights(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	all, err := p.rights()
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, r := range all {
		held, err := r.held(ctx, conn)
		if pgerr.Is(err, pgerrcode.InsufficientPrivilege) {
			held, err = false, nil // the schema is closed: there is no asking about what is in it
		}
		if err != nil {
			return nil, fmt.Errorf("ask for the right of %s: %w", r, err)
		}
		if !held {
			missing = append(missing, r.String())
		}
	}
	return missing, nil
}

// held asks whether the current role has the right (manual, 9.27.2).
func (r right) held(ctx context.Context, conn *pgx.Conn) (held bool, err error) {
	if r.kind == "schema" {
		// It takes the bare name.
		name, err := book.ParseName(r.object, 1)
		if err != nil {
			return false, err
		}
		err = conn.QueryRow(ctx, advisory.OnPrimary+"select has_schema_privilege($1, $2)", name[0], r.privilege).Scan(&held)
		return held, err
	}
	if len(r.columns) == 0 {
		err = conn.QueryRow(ctx, advisory.OnPrimary+"select has_table_privilege($1, $2)", r.object, r.privilege).Scan(&held)
		return held, err
	}
	held = true
	for _, column := range r.columns {
		var one bool
		if err := conn.QueryRow(ctx, advisory.OnPrimary+"select has_column_privilege($1, $2, $3)", r.object, column, r.privilege).Scan(&one); err != nil {
			return false, err
		}
		held = held && one
	}
	return held, nil
}

// Grant gives a role what a run needs, in one transaction, and returns the
// statements: those to be run by somebody else, where it fails.
func Grant(ctx context.Context, cfg *pgx.ConnConfig, b book.Book, role string) (statements []string, err error) {
	name, err := book.ParseName(role, 1)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	place, err := Locate(ctx, conn, b)
	if err != nil {
		return nil, err
	}
	all, err := place.rights()
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		statements = append(statements, fmt.Sprintf("grant %s to %s;", r, name.SQL()))
	}
	return statements, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", strings.TrimSuffix(statement, ";"), err)
			}
		}
		return nil
	})
}
