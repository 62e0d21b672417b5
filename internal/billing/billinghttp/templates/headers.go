package templates

import (
	"fmt"
	"net/http"
	"strings"
)

// ParseHeaders reads BILLING_HEADERS: Name: value, one a line or comma-separated. Its
// errors quote nothing: headers carry secrets, and a slip makes a name of one.
func ParseHeaders(text string) (http.Header, error) {
	header := make(http.Header)
	entry := 0
	for line := range strings.Lines(text) {
		for _, pair := range splitUnescaped(line) {
			if strings.TrimSpace(pair) == "" {
				continue
			}
			entry++
			name, value, found := strings.Cut(pair, ":")
			name, value = strings.TrimSpace(name), strings.Trim(value, " \t\r\n")
			switch {
			case !found || !isToken(name):
				return nil, fmt.Errorf(`entry %d is not "Name: value"; write a comma within a value as \,`, entry)
			case !IsFieldValue(value):
				return nil, fmt.Errorf("entry %d has a control character in its value", entry)
			}
			header.Add(name, value)
		}
	}
	return header, nil
}

// splitUnescaped splits at commas that no backslash precedes.
func splitUnescaped(text string) []string {
	var parts []string
	var part strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, ",")
		escaped := found && strings.HasSuffix(before, `\`)
		if escaped {
			part.WriteString(strings.TrimSuffix(before, `\`) + ",")
		} else {
			part.WriteString(before)
			parts = append(parts, part.String())
			part.Reset()
		}
		if !found {
			return parts
		}
		rest = after
	}
}

// isToken: RFC 9110, 5.6.2.
func isToken(text string) bool {
	other := func(r rune) bool {
		alphanumeric := r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		return !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}
	return text != "" && !strings.ContainsFunc(text, other)
}

// IsFieldValue says whether a text can be a header's value: RFC 9110, 5.5.
func IsFieldValue(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && r < ' ' || r == 0x7f })
}
