package book

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MarkSent is INVOICES_MARK_SENT with its {reply.…} placeholders taken out.
type MarkSent struct {
	Text  string   // as the user wrote it
	Paths []string // of the placeholders, in their order, into the reply: data.object.id

	literals []string // SQL; one more than there are paths
	idColumn string   // in whose row the SQL stands
}

const placeholderBegins = "{reply."

func parseMarkSent(text string) (MarkSent, error) {
	m := MarkSent{Text: text}
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
		if strings.HasPrefix(path, "/") {
			return m, errors.New("has a JSON pointer in {reply.…}; write it with dots: {reply.data.id}")
		}
		m.Paths, text = append(m.Paths, path), rest
	}
}

func isPath(path string) bool {
	for step := range strings.SplitSeq(path, ".") {
		if step == "" || strings.ContainsAny(step, "{'\"\\ \t\r\n\x00") {
			return false
		}
	}
	return true
}

// SQL puts an expression in each placeholder's place, with a parameter of its own,
// from $2 on: what the API said is never a part of the statement. It stands alone, so
// that no name of ours can clash with one in the user's SQL.
func (m MarkSent) SQL() string {
	var b strings.Builder
	for i := range m.Paths {
		b.WriteString(m.literals[i] + m.expression(i))
	}
	return b.String() + m.literals[len(m.literals)-1]
}

func (m MarkSent) expression(i int) string {
	return fmt.Sprintf("($%d::jsonb ->> %s::text)", i+2, m.idColumn)
}

// Origin is the character of INVOICES_MARK_SENT that a character of SQL comes from.
func (m MarkSent) Origin(at int) int {
	before := 0 // characters of the original
	for i, path := range m.Paths {
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
