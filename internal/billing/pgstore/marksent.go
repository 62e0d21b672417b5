package pgstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"billonce/internal/billing"
	"billonce/internal/pgerr"
)

// markSent is INVOICES_MARK_SENT with its {reply.…} placeholders taken out.
type markSent struct {
	literals []string // SQL; one more than there are paths
	paths    []string // into the reply, dotted: data.object.id
	idColumn string   // in whose row the SQL stands
}

const placeholderBegins = "{reply."

func parseMarkSent(text, idColumn string) (markSent, error) {
	m := markSent{idColumn: idColumn}
	for {
		literal, rest, found := strings.Cut(text, placeholderBegins)
		m.literals = append(m.literals, literal)
		if !found {
			return m, nil
		}
		path, rest, found := strings.Cut(rest, "}")
		if !found || !isPath(path) {
			return m, errors.New("has a {reply. that is no placeholder; write {reply.id}, or {reply.data.id} for what lies deeper")
		}
		m.paths, text = append(m.paths, path), rest
	}
}

func isPath(path string) bool {
	for _, step := range strings.Split(path, ".") {
		if step == "" || strings.ContainsAny(step, "{'\"\\ \t\r\n\x00") {
			return false
		}
	}
	return true
}

// sql puts an expression in each placeholder's place, with a parameter of its own:
// what the API said is never a part of the statement. It stands alone, so that no
// name of ours can clash with one in the user's SQL.
func (m markSent) sql() string {
	var b strings.Builder
	for i := range m.paths {
		b.WriteString(m.literals[i] + m.expression(i))
	}
	return b.String() + m.literals[len(m.literals)-1]
}

func (m markSent) expression(i int) string {
	return fmt.Sprintf("($%d::jsonb ->> %s::text)", i+2, m.idColumn)
}

// origin is the character of INVOICES_MARK_SENT that a character of sql comes from.
func (m markSent) origin(at int) int {
	before := 0 // characters of the original
	for i, path := range m.paths {
		literal, filled := utf8.RuneCountInString(m.literals[i]), utf8.RuneCountInString(m.expression(i))
		switch {
		case at < literal:
			return before + at
		case at < literal+filled:
			return before + literal
		}
		at -= literal + filled
		before += literal + utf8.RuneCountInString(placeholderBegins+path+"}")
	}
	return before + at
}

// ReplyPaths are the paths of the {reply.…} placeholders in MarkSent, in their
// order: what a [billing.Answer] has to hold.
func (b Book) ReplyPaths() ([]string, error) {
	m, err := parseMarkSent(b.MarkSent, "")
	if err != nil {
		return nil, fmt.Errorf("INVOICES_MARK_SENT %w", err)
	}
	return m.paths, nil
}

// errPlaceholderQuoted: PostgreSQL found fewer parameters than there are placeholders.
var errPlaceholderQuoted = errors.New("a {reply.…} placeholder stands inside of quotes or of a comment; write it bare: column = {reply.id}")

// checkPlaceholders says whether each placeholder became a parameter: one that
// stands inside of quotes would be written down as text.
func (m markSent) checkPlaceholders(statement *pgconn.StatementDescription, err error) error {
	switch {
	case pgerr.Is(err, pgerrcode.IndeterminateDatatype) && len(m.paths) > 0, // a parameter that is not used, before one that is
		err == nil && len(statement.ParamOIDs) != len(m.paths)+1:
		return errPlaceholderQuoted
	}
	return err
}

// markArgs are the parameters of mark.sql.
func (s *Store) markArgs(sent []*billing.Settlement) []any {
	ids := make([]billing.InvoiceID, len(sent))
	for i, g := range sent {
		ids[i] = g.InvoiceID
	}
	args := []any{keys(ids)}
	for n := range s.mark.paths {
		said := make(map[billing.InvoiceID]string, len(sent))
		for _, g := range sent {
			if v := answerOf(g, n); v != nil {
				said[g.InvoiceID] = printable(*v)
			}
		}
		text, err := json.Marshal(said)
		if err != nil { // a map of text: it can't be
			text = []byte("{}")
		}
		args = append(args, string(text))
	}
	return args
}

func answerOf(s *billing.Settlement, n int) *string {
	if s.Answer == nil || n >= len(s.Answer.Values) {
		return nil
	}
	return s.Answer.Values[n]
}

// namedAtMost bounds the ids that one warning names.
const namedAtMost = 20

// warnUnanswered tells where a placeholder became null. The money has moved: that
// is no reason to leave an invoice unmarked.
func (s *Store) warnUnanswered(group []billing.Settlement, came []billing.Settled) {
	for n, path := range s.mark.paths {
		count, named := 0, []string(nil)
		for i, g := range group {
			if g.State != billing.Sent || came[i] != billing.SettledFully || answerOf(&group[i], n) != nil {
				continue
			}
			if count++; count <= namedAtMost {
				named = append(named, string(g.InvoiceID))
			}
		}
		if count > 0 {
			s.cfg.Log.Warn().Int("invoices", count).Strs("invoice_ids", named).
				Msgf("marked sent with null for {reply.%s}: the reply did not say it", path)
		}
	}
}
