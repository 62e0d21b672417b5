package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/pgerr"
)

// UserSQLError is a fault in a fragment of SQL that the user gave, with
// PostgreSQL's own words about it.
type UserSQLError struct {
	Variable string
	Fragment string
	At       int // the character that PostgreSQL points at, from 0; -1: it does not point
	Err      error
}

func (e *UserSQLError) Error() string {
	said, hint := e.Err.Error(), ""
	if pg := pgerr.From(e.Err); pg != nil {
		said, hint = pg.Message, pg.Hint
	}
	if e.At < 0 {
		if hint != "" {
			said += " (" + hint + ")"
		}
		return fmt.Sprintf("%s: PostgreSQL can't use %q: %s", e.Variable, e.Fragment, said)
	}
	line, column := lineAt([]rune(e.Fragment), e.At)
	text := fmt.Sprintf("%s: PostgreSQL can't use it: %s\n    %s\n    %s^", e.Variable, said, line, strings.Repeat(" ", column))
	if hint != "" {
		text += "\n" + hint
	}
	return text
}

func (e *UserSQLError) Unwrap() error { return e.Err }

// lineAt is the line of text that has the character at, and its column there.
func lineAt(text []rune, at int) (line string, column int) {
	from, to := min(at, len(text)), min(at, len(text))
	for from > 0 && text[from-1] != '\n' {
		from--
	}
	for to < len(text) && text[to] != '\n' {
		to++
	}
	return strings.ReplaceAll(string(text[from:to]), "\t", " "), at - from
}

// fragment is SQL of the user's, and a statement to try it in.
type fragment struct {
	variable, text string
	filled         string // as it stands in the statement, behind lead; empty: it has no one place there
	lead           string
	statement      string
}

// checkFragments has PostgreSQL parse the statements that hold the user's SQL,
// without running them, and blames the fragment that is at fault.
func (f fitted) checkFragments(ctx context.Context, conn *pgx.Conn) error {
	b := f.place.book
	for _, part := range []fragment{
		pendingFragment(b, f.sql.pendingCount),
		{"BILLING_URL", "its {column} placeholders", "", "", f.sql.values},
		{"INVOICES_ONE_PER", b.OnePer.SQL(), "", "", f.sql.lower},
		{"INVOICES_TABLE", b.Invoices.SQL(), "", "", f.sql.lockRows},
		{"INVOICES_MARK_SENT", b.MarkSent.Text, b.MarkSent.SQL(), "set ", f.sql.mark},
	} {
		if part.statement == "" {
			continue
		}
		prepared, err := conn.Prepare(ctx, "", part.statement)
		at := part.place(err)
		if part.variable == "INVOICES_MARK_SENT" {
			at = b.MarkSent.Origin(at)
			err = checkPlaceholders(b.MarkSent, prepared, err)
		}
		switch {
		case pgerr.From(err) != nil && !passing(err), errors.Is(err, errPlaceholderQuoted):
			return &UserSQLError{Variable: part.variable, Fragment: part.text, At: at, Err: err}
		case lockTimeout(err) && (part.variable == "INVOICES_TABLE" || part.variable == "INVOICES_MARK_SENT"):
			// Somebody keeps the table from being changed: what is accepted is unmarked until
			// it lets go.
		case err != nil:
			return fmt.Errorf("check %s: %w", part.variable, err)
		}
	}
	return nil
}

func pendingFragment(b book.Book, statement string) fragment {
	return fragment{"INVOICES_PENDING", b.Pending, b.Pending, "where (", statement}
}

func (f fragment) fault(err error) error {
	return &UserSQLError{Variable: f.variable, Fragment: f.text, At: f.place(err), Err: err}
}

// place is the character of the filled fragment at which PostgreSQL points; -1: at
// none. What is wrong with its end is noticed behind it.
func (f fragment) place(err error) int {
	pg := pgerr.From(err)
	begins := strings.Index(f.statement, f.lead+f.filled)
	if pg == nil || pg.Position == 0 || f.filled == "" || begins < 0 {
		return -1
	}
	length := utf8.RuneCountInString(f.filled)
	at := int(pg.Position) - 1 - utf8.RuneCountInString(f.statement[:begins]+f.lead)
	switch {
	case at < 0, at > length && pg.Code != pgerrcode.SyntaxError:
		return -1
	}
	return min(at, length)
}
