package billinghttp

import (
	"strings"

	"github.com/billonce/billonce/internal/billing"
)

// Operation is what all requests have in common: the method, and the path of
// BILLING_URL with its placeholders.
func (c *Client) Operation() (method, route string) {
	var b strings.Builder
	for i, literal := range c.url.literals {
		path, _, inQuery := strings.Cut(literal, "?")
		b.WriteString(path)
		if inQuery || i == len(c.url.places) {
			break
		}
		b.WriteString("{" + c.url.places[i].name + "}")
	}
	_, rest, _ := strings.Cut(b.String(), "://")
	_, path, _ := strings.Cut(rest, "/")
	return c.method, c.redactor().redact("/" + path)
}

// PublicURL is the URL of a request where others can read it. People put keys
// into queries: nothing is left of one.
func (c *Client) PublicURL(m billing.Request) string {
	public, _, hasQuery := strings.Cut(m.URL, "?")
	if hasQuery {
		public += "?***"
	}
	return c.redactorOf(m).redact(public)
}
