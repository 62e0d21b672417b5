package billinghttp

import (
	"strings"

	"github.com/billonce/billonce/internal/billing"
)

// Operation is what all requests have in common: the method, and the path of
// BILLING_URL with its placeholders.
func (c *Client) Operation() (method, route string) {
	withoutQuery, _, _ := strings.Cut(c.url.String(), "?")
	_, rest, _ := strings.Cut(withoutQuery, "://")
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
