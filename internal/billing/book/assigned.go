package book

import (
	"fmt"
	"slices"
	"strings"
)

// Columns reads which columns the assignments set: `a = 1, b = f(2, 3), (c, d) =
// row(4, 5)`. Only the left sides are read; the right ones are PostgreSQL's to judge.
// Only rights are granted by it: what it can't read is no reason against a run, so it
// is no fault of [Parse].
func (m MarkSent) Columns() ([]string, error) {
	columns, err := assigned(m.Text)
	if err != nil {
		return nil, fmt.Errorf("INVOICES_MARK_SENT: %w", err)
	}
	return columns, nil
}

func assigned(assignments string) ([]string, error) {
	var columns []string
	for _, one := range splitTopLevel(assignments) {
		left, _, found := strings.Cut(one, "=")
		left = strings.TrimSpace(left)
		if inner, ok := strings.CutPrefix(left, "("); ok && found {
			left = strings.TrimSuffix(inner, ")")
		}
		if !found {
			return nil, fmt.Errorf("%q assigns nothing; write for example pending = false", strings.TrimSpace(one))
		}
		for _, name := range splitTopLevel(left) {
			id, err := ParseName(name, 1)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(columns, id[0]) {
				columns = append(columns, id[0])
			}
		}
	}
	return columns, nil
}

// splitTopLevel splits at commas outside of quotes and brackets.
func splitTopLevel(s string) []string {
	var parts []string
	depth, from := 0, 0
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0 // a doubled one opens again at once
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}
