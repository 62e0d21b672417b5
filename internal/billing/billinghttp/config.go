package billinghttp

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing/billinghttp/rules"
	"github.com/billonce/billonce/internal/billing/billinghttp/templates"
	"github.com/billonce/billonce/internal/fault"
)

// Config is how the billing API is called.
type Config struct {
	URL         string // template: {column} is filled from the invoice's row
	LookupURL   string // template; empty: there is no look-up
	Method      string // empty: POST
	Headers     string // Name: value, one a line or comma-separated; a comma within a value is written \,
	Token       string // bearer
	BasicAuth   string // user:password
	OAuth       OAuth  // in place of both
	TLSCert     string // PEM; the client's own, with TLSKey
	TLSKey      string
	TLSCA       string        // PEM; whom alone to trust; empty: whom the system trusts
	Signing     string        // secret of Standard Webhooks; empty: requests are not signed
	Body        string        // "row", "none" or a text/template over the row
	Currency    string        // INVOICES_CURRENCY, the column's name; empty: it is recognised
	Outcomes    string        // rules: what replies mean
	LookUps     string        // rules: what a look-up's replies mean
	Idempotent  bool          // the API honours idempotency keys
	ReplyID     string        // dotted path into an accepted reply: the id that the ledger keeps; empty: none
	ReplyValues []string      // dotted paths into it: what the invoice keeps
	Timeout     time.Duration // hard deadline of one attempt, from dial to the last byte of the reply
	Concurrency int           // requests in flight that connections are kept for
	UserAgent   string
	// Again reads the configuration anew, as the files of its secrets have it now; nil: no
	// secret comes from a file.
	Again func() (Config, error)
}

// Check says all that is wrong with a configuration, and quotes no secret. An empty
// URL is none of it: whether one is needed depends on the command.
func Check(c Config) []fault.Fault {
	_, faults := read(c)
	return faults
}

// New is a client for a configuration in which [Check] finds nothing wrong; the error
// is what it finds.
func New(c Config) (*Client, error) {
	client, faults := read(c)
	if c.URL == "" {
		faults = append(faults, fault.New("BILLING_URL", "is required"))
	}
	if err := fault.Join(nil, faults); err != nil {
		return nil, err
	}
	client.indexColumns()
	client.config = c
	client.setSecretHeaders()
	client.transport, client.hangUp = newTransport(c.Timeout, max(1, c.Concurrency), client.showing(client.tls))
	client.setCredentials()
	client.wantsJSON = client.asksForJSON()
	return client, nil
}

// read makes of a configuration the parts of a client that may be wrong.
func read(c Config) (*Client, []fault.Fault) {
	client := &Client{timeout: c.Timeout, method: cmp.Or(c.Method, http.MethodPost)}
	faults := fault.In("BILLING_METHOD", checkMethod(client.method))
	add := func(variable string, err error) { faults = append(faults, fault.In(variable, err)...) }
	var err error
	if c.URL != "" {
		client.url, err = templates.ParseURL(c.URL)
		if err == nil && client.url.Has(templates.ReplyIDName) {
			err = errors.New("has {reply_id}, which is not known before the API has replied")
		}
		add("BILLING_URL", err)
	}
	if c.LookupURL != "" {
		client.lookup, err = templates.ParseURL(c.LookupURL)
		if err == nil && len(client.lookup.Names()) == 0 {
			// One 200 would mark every invoice sent.
			err = errors.New("has no {column}: it would ask the same about every invoice")
		}
		if err == nil && client.lookup.Has(templates.ReplyIDName) && c.ReplyID == "" {
			err = errors.New("has {reply_id}, and BILLING_REPLY_ID does not say where in a reply that id is: set it")
		}
		add("BILLING_LOOKUP_URL", err)
	}
	client.body, err = templates.ParseBody(c.Body, c.Currency)
	faults = append(faults, each("BILLING_BODY", err)...)
	client.answers, err = newAnswers(c.ReplyID, c.ReplyValues)
	add("BILLING_REPLY_ID", err)
	about := rules.Requests
	if c.Idempotent {
		about = rules.RequestsWithKeys
	}
	client.outcomes, err = rules.Parse(c.Outcomes, about)
	faults = append(faults, each("BILLING_OUTCOMES", err)...)
	if c.LookupURL == "" && client.outcomes.Says(rules.Submitted) {
		faults = append(faults, fault.New("BILLING_OUTCOMES", "makes a reply submitted, and BILLING_LOOKUP_URL is not set: nobody would ask what became of it"))
	}
	client.findings, err = rules.Parse(c.LookUps, rules.LookUps)
	faults = append(faults, each("BILLING_LOOKUP_OUTCOMES", err)...)
	client.signer, err = newSigner(c.Signing)
	add("BILLING_SIGNING_SECRET", err)
	all, err := templates.ParseHeaders(c.Headers)
	add("BILLING_HEADERS", err)
	for _, problem := range forbidden(all, c.Token != "") {
		faults = append(faults, fault.New("BILLING_HEADERS", problem))
	}
	client.common, client.made, err = templates.SplitHeaders(all)
	add("BILLING_HEADERS", err)
	add("BILLING_BASIC_AUTH", checkBasicAuth(c, all))
	faults = append(faults, checkOAuth(c, all)...)
	client.tls = tlsConfig(c, add)
	if !templates.IsFieldValue(c.Token) || strings.ContainsAny(c.Token, " \t") {
		add("BILLING_TOKEN", errors.New("has white space or a control character in it, perhaps a line break; it is sent as it stands"))
	}
	if (c.Token != "" || c.OAuth.TokenURL != "") && client.url != nil && client.url.User != nil {
		add("BILLING_URL", errors.New("has a user, and BILLING_TOKEN or BILLING_OAUTH_TOKEN_URL is set; a request carries one of them"))
	}
	if c.Timeout <= 0 {
		add("BILLING_TIMEOUT", errors.New("is not above 0; 30s is usual"))
	}
	return client, faults
}

// each makes a fault of each error of a list.
func each(variable string, err error) (faults []fault.Fault) {
	list, isList := err.(interface{ Unwrap() []error })
	if !isList {
		return fault.In(variable, err)
	}
	for _, e := range list.Unwrap() {
		faults = append(faults, fault.In(variable, e)...)
	}
	return faults
}

// indexColumns numbers the columns of both templates, each once.
func (c *Client) indexColumns() {
	for _, t := range []*templates.URL{c.url, c.lookup} {
		if t == nil {
			continue
		}
		c.columns = t.Bind(c.columns)
	}
	for i := range c.made {
		c.columns = c.made[i].Value.Bind(c.columns)
	}
	for i, name := range c.columns {
		if templates.IsTokenName(name) {
			c.secretColumns = append(c.secretColumns, i)
		}
	}
	c.secretInBody = c.body != nil && slices.ContainsFunc(c.body.Columns(), templates.IsTokenName)
}

func checkBasicAuth(c Config, header http.Header) error {
	switch {
	case c.BasicAuth == "":
		return nil
	case !strings.Contains(c.BasicAuth, ":") || !templates.IsFieldValue(c.BasicAuth):
		return errors.New("is not of the form user:password")
	case c.Token != "":
		return errors.New("is set beside BILLING_TOKEN; a request carries one of the two")
	}
	if _, set := header["Authorization"]; set {
		return errors.New("is set, and BILLING_HEADERS sets Authorization; a request carries one of the two")
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

// forbidden says which headers can't be set for all requests alike, and why.
func forbidden(header http.Header, hasToken bool) (problems []string) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		switch name {
		case "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Upgrade", "Connection":
			problems = append(problems, fmt.Sprintf("sets %s, which belongs to the connection; leave it out", name))
		case "Idempotency-Key":
			problems = append(problems, "sets Idempotency-Key, which is made for each invoice; leave it out, and set BILLING_IDEMPOTENT=true if the API honours it")
		case "Authorization":
			if hasToken {
				problems = append(problems, "sets Authorization, and BILLING_TOKEN is set; a request carries one of the two")
			}
		}
	}
	return problems
}
