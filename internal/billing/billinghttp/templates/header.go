package templates

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/billonce/billonce/internal/words"
)

// Header is a header that is made for each invoice, of its row or its key.
type Header struct {
	Name   string
	Value  Text
	Secret bool // never shown
}

// SplitHeaders parts what all requests have in common from what is made for each
// invoice. Its errors quote nothing but names.
func SplitHeaders(all http.Header) (common http.Header, made []Header, err error) {
	common = make(http.Header)
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		canonical := http.CanonicalHeaderKey(name)
		for _, value := range all[name] {
			t, err := parseText(value)
			switch {
			case err != nil:
				faults = append(faults, fmt.Sprintf("%s in the value of %s", err, words.Printable(name)))
			case t.Has(ReplyIDName):
				faults = append(faults, fmt.Sprintf("has {%s} in the value of %s; it is not known before the API has replied", ReplyIDName, words.Printable(name)))
			case len(t.places) == 0:
				common[canonical] = append(common[canonical], t.literals[0])
			case canonical == "Host":
				faults = append(faults, "has a placeholder in Host; the server can't depend on the invoice")
			default:
				made = append(made, Header{canonical, t, isSecretTemplate(canonical, t)})
			}
		}
	}
	if len(faults) > 0 {
		return nil, nil, errors.New(strings.Join(faults, "; "))
	}
	return common, made, nil
}

// Render fills the header in. What can't stand in a header is refused, and so is what
// would leave it empty: an API takes a missing account for the main one.
func (h Header) Render(v Values) (string, error) {
	var b strings.Builder
	for i, p := range h.Value.places {
		b.WriteString(h.Value.literals[i])
		text, err := v.at(p)
		switch {
		case err != nil:
			return "", fmt.Errorf("%s: %w", h.Name, err)
		case strings.TrimSpace(text) == "":
			return "", fmt.Errorf("%s: column %q is empty", h.Name, p.name)
		case !IsFieldValue(text):
			return "", fmt.Errorf("%s: column %q has a character that no header can carry", h.Name, p.name)
		}
		b.WriteString(text)
	}
	b.WriteString(h.Value.literals[len(h.Value.literals)-1])
	return b.String(), nil
}

func isSecretTemplate(header string, t Text) bool {
	if IsSecretName(header) {
		return true
	}
	for _, p := range t.places {
		if !IsOurs(p.name) && IsSecretName(p.name) {
			return true
		}
	}
	return false
}

// IsSecretName says of a header or a column that is made from the row whether its name is
// one of those that secrets have.
func IsSecretName(name string) bool {
	name = strings.ToLower(name)
	if strings.Contains(name, "idempotency") {
		return false
	}
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' || r == ' ' || r == '.' })
	for _, word := range words {
		switch word {
		case "authorization", "auth", "cookie", "token", "secret", "key", "apikey", "password", "passwd", "pwd",
			"credential", "credentials", "signature", "session", "bearer", "jwt", "pin", "otp":
			return true
		}
	}
	return IsTokenName(name)
}

// IsTokenName says it of a column that a URL or a body is made from: there a key, a session
// or a pin may as well be the invoice's own number.
func IsTokenName(column string) bool {
	column = strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_ .", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, column)
	return slices.ContainsFunc([]string{"token", "secret", "password", "passwd", "apikey", "credential", "authorization", "bearer", "jwt"},
		func(part string) bool { return strings.Contains(column, part) })
}
