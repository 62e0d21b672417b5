package templates

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// URL is a URL with placeholders.
type URL struct {
	Text
	query   int // places from this one on are in the query: other rules of escaping than in the path
	User    *url.Userinfo
	Secrets []string // of the literals: people put API keys into queries
}

// ParseURL reads a template. Its errors quote nothing but column names.
func ParseURL(text string) (*URL, error) {
	parsed, err := parseText(text)
	if err != nil {
		return nil, err
	}
	t := &URL{Text: parsed, query: len(parsed.places)}
	for i, literal := range t.literals {
		if strings.Contains(literal, "?") {
			t.query = i
			break
		}
	}
	return t, t.check()
}

// check looks at what surrounds the placeholders.
func (t *URL) check() error {
	scheme, rest, found := strings.Cut(t.literals[0], "://")
	end := strings.IndexAny(rest, "/?#")
	if found && end < 0 && len(t.places) > 0 {
		return errors.New("has a placeholder before the path; the server can't depend on the invoice: https://host/path/{id}")
	}
	u, err := url.Parse(strings.Join(t.literals, "x"))
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("is not a URL of the form https://host/path/{id}")
	case u.Fragment != "" || strings.Contains(strings.Join(t.literals, ""), "#"):
		return errors.New("has a #fragment, which is never sent; write %23 where a # is meant")
	}
	if u.User != nil {
		t.User = u.User
		if end < 0 {
			end = len(rest)
		}
		t.literals[0] = scheme + "://" + u.Host + rest[end:]
	}
	for _, values := range u.Query() {
		t.Secrets = append(t.Secrets, values...)
	}
	return nil
}

// Render fills the template in. Values are escaped, so that none can change
// the URL's shape; what escaping does not neutralise is refused.
func (t *URL) Render(v Values) (string, error) {
	var b strings.Builder
	b.Grow(len(t.literals[0]) + 64)
	for i, p := range t.places {
		b.WriteString(t.literals[i])
		text, err := v.at(p)
		switch {
		case err != nil:
			return "", err
		case i >= t.query:
			b.WriteString(url.QueryEscape(text))
		case text == "":
			return "", fmt.Errorf("column %q is empty: the path would name another resource", p.name)
		case text == "." || text == "..":
			// RFC 3986, 3.3: dot-segments are removed on the way, escaped or not.
			return "", fmt.Errorf("column %q is %q: the path would name another resource", p.name, text)
		default:
			b.WriteString(url.PathEscape(text))
		}
	}
	b.WriteString(t.literals[len(t.literals)-1])
	return b.String(), nil
}
