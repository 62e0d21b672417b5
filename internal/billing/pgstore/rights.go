package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/pgerr"
)

// right is what a role needs to be allowed: one privilege on one object. Columns
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

// Work is what a role is for.
type Work string

// What a role may be for.
const (
	Running  Work = "run"    // runs, and a person's commands
	Showing  Work = "show"   // the page, where nobody decides
	Deciding Work = "decide" // the page, with deciders
)

// rights is all that the work needs, and no more: no delivery is deleted, and no column of
// an invoice changed but those that mark it sent.
func (p Place) rights(work Work) ([]right, error) {
	marked, err := p.book.MarkSent.Columns()
	if err != nil {
		return nil, err
	}
	all := []right{
		{"usage", "schema", book.Name{p.schema}.SQL(), nil},
		{"select", "table", p.sql(), nil},
		{"usage", "schema", p.book.Schema.SQL(), nil},
	}
	if work != Showing {
		all = append(all, right{"update", "table", p.sql(), marked})
	}
	for _, own := range []struct {
		table  string
		writes map[Work][]string
	}{
		{"schema_version", nil},
		{"ledger", nil},
		{"runs", map[Work][]string{Running: {"insert", "update"}}},
		{"deliveries", map[Work][]string{Running: {"insert", "update"}, Deciding: {"update"}}},
		{"reconciliations", map[Work][]string{Running: {"insert", "update"}}},
		{"kept", map[Work][]string{Running: {"insert", "update"}}}, // what goes goes with its owner's right
		{"set_aside", map[Work][]string{Running: {"insert", "update", "delete"}}},
		{"pending_again", map[Work][]string{Running: {"insert", "update", "delete"}}},
		{"history", map[Work][]string{Running: {"insert"}, Deciding: {"insert"}}}, // the trigger's, too: it has its caller's rights
	} {
		if own.table == "kept" && work != Running {
			continue // requests, with what stands in them
		}
		for _, privilege := range append([]string{"select"}, own.writes[work]...) {
			all = append(all, right{privilege, "table", p.book.Own(own.table), nil})
		}
	}
	// Never whose the ledger is: its id makes the keys.
	switch work {
	case Running:
		all = append(all, right{"update", "table", p.book.Own("ledger"), []string{
			"accepted_identity", "accepted_at", "accepted_by", "accepted_reason", "accepted_before", "found_identity", "found_at", "newest_sent_at",
			"paused_at", "paused_by", "pause_reason", "not_before", "told_at", "told", "raised_at",
		}})
	case Deciding:
		all = append(all, right{"update", "table", p.book.Own("ledger"), []string{"paused_at", "paused_by", "pause_reason", "raised_at"}},
			// raise_key.sql locks it against a run that begins: LOCK wants the right to the whole table.
			right{"update", "table", p.book.Own("runs"), nil})
	}
	return all, nil
}

// MissingRights names what the connection's role lacks.
func (p Place) MissingRights(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	all, err := p.rights(Running)
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

// Grant gives a role what its work needs, in one transaction, and returns the
// statements: those to be run by somebody else, where it fails.
func Grant(ctx context.Context, cfg *pgx.ConnConfig, b book.Book, role string, work Work) (statements []string, err error) {
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
	all, err := place.rights(work)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		statements = append(statements, fmt.Sprintf("grant %s to %s;", r, name.SQL()))
	}
	var known bool
	if err := conn.QueryRow(ctx, advisory.OnPrimary+"select exists (select from pg_roles where rolname = $1)", name[0]).Scan(&known); err != nil {
		return nil, fmt.Errorf("look for the role: %w", err)
	}
	if !known {
		return nil, fmt.Errorf("there is no such role; create it as a superuser, and run this again: create role %s login;", name.SQL())
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
