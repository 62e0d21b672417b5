package billinghttp

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/billonce/billonce/internal/billing"
)

// Describe shows a request as Send would make it, for people: secrets
// are masked. What belongs to the connection is left out.
func (c *Client) Describe(ctx context.Context, m billing.Request) (string, error) {
	req, err := c.request(ctx, c.shown(), m)
	if err != nil {
		return "", fmt.Errorf("build the request for invoice %s: %w", m.InvoiceID, err)
	}
	return c.describe(req, m.URL, m), nil
}

// DescribeLookUp shows a request's look-up likewise; empty: there is none.
func (c *Client) DescribeLookUp(ctx context.Context, m billing.Request) (string, error) {
	if m.LookupURL == "" {
		return "", nil
	}
	req, err := c.lookUpRequest(ctx, c.shown(), m)
	if err != nil {
		return "", fmt.Errorf("no look-up can be made of invoice %s: %w", m.InvoiceID, err)
	}
	m.Body = nil
	return c.describe(req, m.LookupURL, m), nil
}

func (c *Client) describe(req *http.Request, url string, m billing.Request) string {
	redactor := c.redactorOf(m)
	secret := maps.Clone(c.secretHeaders)
	for _, h := range m.Headers {
		secret[h.Name] = secret[h.Name] || h.Secret
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", req.Method, redactor.redact(url))
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		for _, value := range req.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, masked(name, value, secret[name]))
		}
	}
	if len(m.Body) > 0 {
		fmt.Fprintf(&b, "\n%s\n", visible(redactor.redact(string(m.Body))))
	}
	return b.String()
}

// masked leaves of a header what can't be a secret.
func masked(name, value string, secret bool) string {
	scheme, _, found := strings.Cut(value, " ")
	switch {
	case name == "Authorization" && found:
		return scheme + " ***"
	case name == "Webhook-Signature": // whoever sees it could send the request himself
		return "v1,***"
	case name == "Authorization", secret:
		return "***"
	}
	return value
}

// isHarmless says that a header that is set for all requests holds no secret.
func isHarmless(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Accept", "Accept-Language", "Accept-Encoding", "Content-Type", "User-Agent", "Host":
		return true
	}
	return false
}

// visible takes out what a terminal would obey.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '�'
		}
		return r
	}, text)
}
