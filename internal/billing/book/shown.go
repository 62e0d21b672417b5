package book

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// parseShow reads a list of columns, separated by commas or new lines.
func parseShow(text string) (columns []string, err error) {
	quoted := false
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool {
		quoted = quoted != (r == '"')
		return !quoted && (r == ',' || r == '\n')
	}) {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, err := ParseName(part, 1)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(columns, name[0]) {
			columns = append(columns, name[0])
		}
	}
	return columns, nil
}

// What a link's placeholders stand for besides columns.
const (
	placeReplyID = "reply_id"
	placeKey     = "idempotency_key"
)

// Link is INVOICES_LINK: where people find an invoice in the provider's books.
type Link struct {
	literals []string // one more than there are places
	places   []string
}

var errLink = errors.New("is not of the form https://dashboard.example/invoices/{reply_id}")

func parseLink(text string) (l Link, err error) {
	rest := text
	for {
		literal, after, found := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return Link{}, errLink
		}
		l.literals = append(l.literals, literal)
		if !found {
			break
		}
		name, after, found := strings.Cut(after, "}")
		if !found || name == "" || strings.TrimSpace(name) != name || strings.ContainsAny(name, "{\"'\x00") {
			return Link{}, errors.New("has a { that begins no placeholder; write a column's bare name between the braces: {id}")
		}
		l.places, rest = append(l.places, name), after
	}
	host, isHTTPS := strings.CutPrefix(l.literals[0], "https://")
	u, err := url.Parse(strings.Join(l.literals, "x"))
	switch {
	case err != nil, !isHTTPS, u.Hostname() == "", strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return Link{}, errLink
	case len(l.places) > 0 && !strings.ContainsAny(host, "/?#"):
		return Link{}, errors.New("has a placeholder before the path; the server can't depend on the invoice: https://dashboard.example/invoices/{reply_id}")
	case u.User != nil:
		return Link{}, errors.New("has a user or a password, which everybody would see")
	}
	return l, nil
}

// Columns are the columns that the link's placeholders name.
func (l Link) Columns() []string {
	return slices.DeleteFunc(slices.Clone(l.places), func(name string) bool { return !isColumn(name) })
}

// Ours are those of its placeholders that stand for no column.
func (l Link) Ours() []string {
	return slices.DeleteFunc(slices.Clone(l.places), isColumn)
}

func isColumn(place string) bool { return place != placeReplyID && place != placeKey }

// URL is the link of one invoice, whatever the values hold; empty where one of them is not
// known, or where there is no link.
func (l Link) URL(replyID, key string, column func(name string) string) string {
	if len(l.literals) == 0 {
		return ""
	}
	var b strings.Builder
	for i, name := range l.places {
		var value string
		switch name {
		case placeReplyID:
			value = replyID
		case placeKey:
			value = key
		default:
			value = column(name)
		}
		if value == "" || value == "." || value == ".." { // RFC 3986, 3.3: dots alone lead elsewhere, escaped or not
			return ""
		}
		b.WriteString(l.literals[i])
		// Escaped for a query, but for the blank: that is safe in a path and a fragment, too.
		b.WriteString(strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
	}
	return b.String() + l.literals[len(l.literals)-1]
}
