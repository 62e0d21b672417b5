package billinghttp

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// urlTemplate is a URL with {column} placeholders.
type urlTemplate struct {
	literals []string // one more than there are places
	places   []place
	user     *url.Userinfo
	secrets  []string // of the literals: people put API keys into queries
}

type place struct {
	column  string
	index   int  // in the client's columns
	inQuery bool // in the query: other rules of escaping than in the path
}

// parseURLTemplate reads a template. Its errors quote nothing but column names.
func parseURLTemplate(text string) (*urlTemplate, error) {
	t := &urlTemplate{}
	inQuery := false
	for rest := text; ; {
		literal, after, found := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return nil, errors.New("has a } without its {; write a placeholder as {column}")
		}
		t.literals = append(t.literals, literal)
		inQuery = inQuery || strings.Contains(literal, "?")
		if !found {
			break
		}
		column, after, found := strings.Cut(after, "}")
		if !found {
			return nil, errors.New("has a { without its }; write a placeholder as {column}")
		}
		if column == "" || !utf8.ValidString(column) || strings.ContainsAny(column, "{\"'\x00") || strings.TrimSpace(column) != column {
			return nil, fmt.Errorf("has the placeholder {%s}; write the column's bare name between the braces, without quotes or spaces: {id}", printable(column))
		}
		t.places = append(t.places, place{column: column, inQuery: inQuery})
		rest = after
	}
	return t, t.check()
}

// check looks at what surrounds the placeholders.
func (t *urlTemplate) check() error {
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
		t.user = u.User
		if end < 0 {
			end = len(rest)
		}
		t.literals[0] = scheme + "://" + u.Host + rest[end:]
	}
	for _, values := range u.Query() {
		t.secrets = append(t.secrets, values...)
	}
	return nil
}

// render fills the template in. Values are escaped, so that none can change
// the URL's shape; what escaping does not neutralise is refused.
func (t *urlTemplate) render(values []*string) (string, error) {
	var b strings.Builder
	b.Grow(len(t.literals[0]) + 64)
	for i, p := range t.places {
		b.WriteString(t.literals[i])
		switch v := values[p.index]; {
		case v == nil:
			return "", fmt.Errorf("column %q is NULL", p.column)
		case p.inQuery:
			b.WriteString(url.QueryEscape(*v))
		case *v == "":
			return "", fmt.Errorf("column %q is empty: the path would name another resource", p.column)
		case *v == "." || *v == "..":
			// RFC 3986, 3.3: dot-segments are removed on the way, escaped or not.
			return "", fmt.Errorf("column %q is %q: the path would name another resource", p.column, *v)
		default:
			b.WriteString(url.PathEscape(*v))
		}
	}
	b.WriteString(t.literals[len(t.literals)-1])
	return b.String(), nil
}
