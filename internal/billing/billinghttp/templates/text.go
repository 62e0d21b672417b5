package templates

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/billonce/billonce/internal/words"
)

// Placeholders that stand for something of ours, and for no column.
const (
	KeyName     = "idempotency_key"
	HexKeyName  = "idempotency_key_hex" // 32 characters: some APIs take no more
	ReplyIDName = "reply_id"
)

// Text is a text with {column} placeholders.
type Text struct {
	literals []string // one more than there are places
	places   []place
}

type place struct {
	name  string
	index int // in all columns; -1: the name is ours
}

// IsOurs says whether a placeholder's name stands for no column.
func IsOurs(name string) bool {
	return name == KeyName || name == HexKeyName || name == ReplyIDName
}

// Values are what fills a template in.
type Values struct {
	Columns []*string // in the order in which they were bound; nil: NULL
	Key     string
	ReplyID string
}

// at is what stands at a place.
func (v Values) at(p place) (string, error) {
	switch {
	case p.name == KeyName || p.name == HexKeyName:
		if v.Key == "" {
			return "", errors.New("the invoice has no idempotency key")
		}
		if p.name == HexKeyName {
			return hexKey(v.Key), nil
		}
		return v.Key, nil
	case p.name == ReplyIDName:
		return v.ReplyID, nil
	case p.index < 0 || v.Columns[p.index] == nil:
		return "", fmt.Errorf("column %q is NULL", p.name)
	}
	return *v.Columns[p.index], nil
}

// hexKey is a key, which is a UUID, without its hyphens.
func hexKey(key string) string { return strings.ReplaceAll(key, "-", "") }

// parseText reads a text in which \{ and \} are braces. Its errors quote nothing but
// names of columns.
func parseText(text string) (Text, error) {
	var t Text
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
	name = words.Printable(name)
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' {
			return errors.New("has a placeholder that is no name" + advice)
		}
	}
	return fmt.Errorf("has the placeholder {%s}"+advice, name)
}

// Bind numbers the template's columns in all, which holds each once.
func (t *Text) Bind(all []string) []string {
	for i, p := range t.places {
		if IsOurs(p.name) {
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

// Has says whether the template has one of these placeholders.
func (t *Text) Has(names ...string) bool {
	for _, p := range t.places {
		for _, name := range names {
			if p.name == name {
				return true
			}
		}
	}
	return false
}

// Names are the names of the placeholders, in their order.
func (t *Text) Names() []string {
	names := make([]string, len(t.places))
	for i, p := range t.places {
		names[i] = p.name
	}
	return names
}

// String is the template as it was written, but for its escapes.
func (t Text) String() string {
	var b strings.Builder
	for i, p := range t.places {
		b.WriteString(t.literals[i] + "{" + p.name + "}")
	}
	b.WriteString(t.literals[len(t.literals)-1])
	return b.String()
}
