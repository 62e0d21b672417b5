package billinghttp

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Placeholders that stand for something of ours, and for no column.
const (
	keyName     = "idempotency_key"
	hexKeyName  = "idempotency_key_hex" // 32 characters: some APIs take no more
	replyIDName = "reply_id"
)

// rowTemplate is a text with {column} placeholders.
type rowTemplate struct {
	literals []string // one more than there are places
	places   []place
}

type place struct {
	name  string
	index int // in the client's columns; -1: the name is ours
}

// isOurs says whether a placeholder's name stands for no column.
func isOurs(name string) bool {
	return name == keyName || name == hexKeyName || name == replyIDName
}

// values are what fills a template in.
type values struct {
	columns []*string // in the client's order; nil: NULL
	key     string
	replyID string
}

// at is what stands at a place.
func (v values) at(p place) (string, error) {
	switch {
	case p.name == keyName || p.name == hexKeyName:
		if v.key == "" {
			return "", errors.New("the invoice has no idempotency key")
		}
		if p.name == hexKeyName {
			return hexKey(v.key), nil
		}
		return v.key, nil
	case p.name == replyIDName:
		return v.replyID, nil
	case p.index < 0 || v.columns[p.index] == nil:
		return "", fmt.Errorf("column %q is NULL", p.name)
	}
	return *v.columns[p.index], nil
}

// hexKey is a key, which is a UUID, without its hyphens.
func hexKey(key string) string { return strings.ReplaceAll(key, "-", "") }

// parseRowTemplate reads a text in which \{ and \} are braces. Its errors quote nothing but
// names of columns.
func parseRowTemplate(text string) (rowTemplate, error) {
	var t rowTemplate
	var literal strings.Builder
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			literal.WriteString(rest)
			break
		}
		brace := rest[i]
		if i > 0 && rest[i-1] == '\\' {
			literal.WriteString(rest[:i-1])
			literal.WriteByte(brace)
			rest = rest[i+1:]
			continue
		}
		if brace == '}' {
			return t, errors.New(`has a } without its {; write a placeholder as {column}, and a brace as \}`)
		}
		literal.WriteString(rest[:i])
		name, after, found := strings.Cut(rest[i+1:], "}")
		if !found {
			return t, errors.New(`has a { without its }; write a placeholder as {column}, and a brace as \{`)
		}
		if name == "" || !utf8.ValidString(name) || strings.ContainsAny(name, "{\"'\x00") || strings.TrimSpace(name) != name {
			return t, errBadName(name)
		}
		t.literals = append(t.literals, literal.String())
		literal.Reset()
		t.places = append(t.places, place{name: name, index: -1})
		rest = after
	}
	t.literals = append(t.literals, literal.String())
	return t, nil
}

// errBadName quotes what could be a name, and nothing else: a brace that was not meant as
// a placeholder's may stand before a secret.
func errBadName(name string) error {
	const advice = `; write the column's bare name between the braces, without quotes or spaces: {id}; a brace is written \{`
	name = printable(name)
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' {
			return errors.New("has a placeholder that is no name" + advice)
		}
	}
	return fmt.Errorf("has the placeholder {%s}"+advice, name)
}

// bind numbers the template's columns in all, which holds each once.
func (t *rowTemplate) bind(all []string) []string {
	for i, p := range t.places {
		if isOurs(p.name) {
			continue
		}
		index := -1
		for j, column := range all {
			if column == p.name {
				index = j
			}
		}
		if index < 0 {
			index = len(all)
			all = append(all, p.name)
		}
		t.places[i].index = index
	}
	return all
}

// has says whether the template has one of these placeholders.
func (t *rowTemplate) has(names ...string) bool {
	for _, p := range t.places {
		for _, name := range names {
			if p.name == name {
				return true
			}
		}
	}
	return false
}
