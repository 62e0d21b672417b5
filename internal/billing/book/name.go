package book

import (
	"errors"
	"fmt"
	"strings"
)

// Name is a name in SQL: its parts, as the catalogue has them.
type Name []string

// SQL is the name as a statement takes it: each part in double quotes.
func (n Name) SQL() string {
	quoted := make([]string, len(n))
	for i, part := range n {
		quoted[i] = `"` + strings.ReplaceAll(part, `"`, `""`) + `"`
	}
	return strings.Join(quoted, ".")
}

// ParseName reads a name as it is written in SQL: parts separated by dots,
// unquoted ones folded to lower case (ASCII alone, as PostgreSQL folds where a
// character may have several bytes), "quoted" ones taken as they are (manual,
// 4.1.1). Anything else is an error: a name is never spliced into SQL as it came.
func ParseName(text string, most int) (Name, error) {
	var parts Name
	rest := strings.TrimSpace(text)
	for {
		part, tail, err := namePart(rest)
		if err != nil {
			return nil, fmt.Errorf("%q is not a name as in SQL: %w", text, err)
		}
		parts = append(parts, part)
		if tail == "" {
			break
		}
		if tail[0] != '.' {
			return nil, fmt.Errorf("%q is not a name as in SQL: unexpected %q", text, tail)
		}
		rest = tail[1:]
	}
	if len(parts) > most {
		return nil, fmt.Errorf("%q has %d parts, at most %d are allowed", text, len(parts), most)
	}
	return parts, nil
}

func namePart(s string) (part, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		return quotedPart(s[1:])
	}
	end := 0
	for end < len(s) && nameByte(s[end], end == 0) {
		end++
	}
	if end == 0 {
		return "", "", errors.New("a part is empty or begins with a character that needs double quotes")
	}
	return strings.Map(lowerASCII, s[:end]), s[end:], nil
}

func lowerASCII(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func quotedPart(s string) (part, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == 0:
			return "", "", errors.New("it holds a zero byte")
		case s[i] != '"':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		case b.Len() == 0:
			return "", "", errors.New("a quoted part is empty")
		default:
			return b.String(), s[i+1:], nil
		}
	}
	return "", "", errors.New("a double quote is not closed")
}

func nameByte(c byte, first bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= 0x80:
		return true
	case c >= '0' && c <= '9', c == '$':
		return !first
	}
	return false
}
