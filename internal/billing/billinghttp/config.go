package billinghttp

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config is how the billing API is called.
type Config struct {
	URL         string // template: {column} is filled from the invoice's row
	LookupURL   string // template; empty: there is no look-up
	Method      string // empty: POST
	Header      http.Header
	Token       string // bearer
	BasicAuth   string // user:password
	TLSCert     string // PEM; the client's own, with TLSKey
	TLSKey      string
	TLSCA       string         // PEM; whom alone to trust; empty: whom the system trusts
	Signing     string         // secret of Standard Webhooks; empty: requests are not signed
	Body        string         // "row", "none" or a text/template over the row
	Success     *regexp.Regexp // an accepted reply's body must match it; nil: any
	ReplyID     string         // JSON pointer into an accepted reply: the id that the ledger keeps; empty: none
	ReplyValues []string       // dotted paths into it: what the invoice keeps
	Timeout     time.Duration  // hard deadline of one attempt, from dial to the last byte of the reply
	Concurrency int            // requests in flight that connections are kept for
	UserAgent   string
}

// New checks a configuration. Its error lists every fault, one a line, with
// the variable's name and without its value.
func New(c Config) (*Client, error) {
	var all []error
	fault := func(variable string, err error) {
		if err != nil {
			all = append(all, fmt.Errorf("%s %w", variable, err))
		}
	}
	client := &Client{success: c.Success, timeout: c.Timeout, method: c.Method}
	if client.method == "" {
		client.method = http.MethodPost
	}
	fault("BILLING_METHOD", checkMethod(client.method))
	var err error
	client.url, err = parseURLTemplate(c.URL)
	fault("BILLING_URL", err)
	if c.LookupURL != "" {
		client.lookup, err = parseURLTemplate(c.LookupURL)
		fault("BILLING_LOOKUP_URL", err)
	}
	client.body, err = parseBody(c.Body)
	fault("BILLING_BODY", err)
	client.answers, err = newAnswers(c.ReplyID, c.ReplyValues)
	fault("BILLING_REPLY_ID", err)
	client.signer, err = newSigner(c.Signing)
	fault("BILLING_SIGNING_SECRET", err)
	fault("BILLING_BASIC_AUTH", checkBasicAuth(c))
	tls := tlsConfig(c, fault)
	fault("BILLING_HEADERS", checkHeader(c.Header, c.Token != ""))
	if !isFieldValue(c.Token) {
		fault("BILLING_TOKEN", errors.New("has a character that no header can carry, perhaps a line break; it is sent as it stands"))
	}
	if c.Token != "" && client.url != nil && client.url.user != nil {
		fault("BILLING_URL", errors.New("has a user, and BILLING_TOKEN is set; a request carries one of the two"))
	}
	if c.Timeout <= 0 {
		fault("BILLING_TIMEOUT", errors.New("is not above 0; 30s is usual"))
	}
	if len(all) > 0 {
		return nil, errors.Join(all...)
	}
	client.indexColumns()
	client.setHeaders(c)
	client.redactor = newRedactor(c, client.url, client.lookup)
	client.transport, client.hangUp = newTransport(c.Timeout, max(1, c.Concurrency), tls)
	return client, nil
}

// indexColumns numbers the columns of both templates, each once.
func (c *Client) indexColumns() {
	for _, t := range []*urlTemplate{c.url, c.lookup} {
		if t == nil {
			continue
		}
		c.columns = t.bind(c.columns)
	}
}

// setHeaders prepares the headers that all requests have in common.
func (c *Client) setHeaders(cfg Config) {
	common := make(http.Header)
	c.secretHeaders = make(map[string]bool)
	for name, values := range cfg.Header {
		name = http.CanonicalHeaderKey(name)
		common[name] = slices.Clone(values)
		c.secretHeaders[name] = !isHarmless(name)
	}
	// net/http takes the Host header from elsewhere.
	c.host = common.Get("Host")
	common.Del("Host")
	if common.Get("User-Agent") == "" {
		common.Set("User-Agent", cmp.Or(cfg.UserAgent, "billonce"))
	}
	if cfg.Token != "" {
		common.Set("Authorization", "Bearer "+cfg.Token)
	}
	if cfg.BasicAuth != "" {
		common.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(cfg.BasicAuth)))
	}

	c.header = maps.Clone(common)
	setBasicAuth(c.header, c.url)
	if c.body != nil && c.header.Get("Content-Type") == "" {
		c.header.Set("Content-Type", "application/json")
	}

	c.lookupHeader = maps.Clone(common)
	c.lookupHeader.Del("Content-Type")
	c.lookupHeader.Del("Expect")
	// A cached 404 would be taken for proof (RFC 9111, 5.2.1.4).
	c.lookupHeader.Set("Cache-Control", "no-cache")
	setBasicAuth(c.lookupHeader, c.lookup)
}

func setBasicAuth(h http.Header, t *urlTemplate) {
	if t != nil && t.user != nil && h.Get("Authorization") == "" {
		h.Set("Authorization", "Basic "+basicAuth(t.user))
	}
}

func basicAuth(user *url.Userinfo) string {
	password, _ := user.Password()
	return base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
}

func checkBasicAuth(c Config) error {
	switch {
	case c.BasicAuth == "":
		return nil
	case !strings.Contains(c.BasicAuth, ":") || !isFieldValue(c.BasicAuth):
		return errors.New("is not of the form user:password")
	case c.Token != "":
		return errors.New("is set beside BILLING_TOKEN; a request carries one of the two")
	}
	for name := range c.Header {
		if http.CanonicalHeaderKey(name) == "Authorization" {
			return errors.New("is set, and BILLING_HEADERS sets Authorization; a request carries one of the two")
		}
	}
	return nil
}

// checkMethod refuses safe methods: whatever stands between may repeat them
// (RFC 9110, 9.2.1 and 9.2.2).
func checkMethod(method string) error {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return nil
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return fmt.Errorf("is %s, which proxies and caches may repeat or answer themselves; write POST, PUT, PATCH or DELETE", method)
	}
	return errors.New("is none of POST, PUT, PATCH and DELETE, in upper case")
}

// checkHeader quotes names only: values are secrets.
func checkHeader(header http.Header, hasToken bool) error {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(header)) {
		switch http.CanonicalHeaderKey(name) {
		case "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Upgrade", "Connection":
			all = append(all, fmt.Sprintf("sets %s, which belongs to the connection; leave it out", name))
		case "Idempotency-Key":
			all = append(all, "sets Idempotency-Key, which is made for each invoice; leave it out")
		case "Authorization":
			if hasToken {
				all = append(all, "sets Authorization, and BILLING_TOKEN is set; a request carries one of the two")
			}
		}
		if !isToken(name) {
			all = append(all, fmt.Sprintf("has the name %q; a header's name has letters, digits and -", printable(name)))
		}
		for _, value := range header[name] {
			if !isFieldValue(value) {
				all = append(all, fmt.Sprintf("has a character in the value of %s that no header can carry", printable(name)))
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all, "\nBILLING_HEADERS "))
}

// isToken: RFC 9110, 5.6.2.
func isToken(text string) bool {
	other := func(r rune) bool {
		alphanumeric := r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		return !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}
	return text != "" && !strings.ContainsFunc(text, other)
}

// isFieldValue: RFC 9110, 5.5.
func isFieldValue(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && r < ' ' || r == 0x7f })
}
