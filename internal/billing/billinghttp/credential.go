package billinghttp

import (
	"cmp"
	"crypto/tls"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/billonce/billonce/internal/billing/billinghttp/templates"
)

// credential is what shows an API who we are: the headers that all requests have in
// common, and the key that signs them. What is not atomic stays as it was made.
type credential struct {
	header   http.Header // of requests
	lookup   http.Header // of look-ups
	signer   *signer
	redactor redactor // takes out its secrets, and those of the one before it

	due    atomic.Int64 // from when on to get another one, in Unix nanoseconds; 0: it does not end
	ends   time.Time    // from when on it is good for nothing; zero: it does not end
	proven atomic.Bool  // a request that carried it was answered 2xx
	asked  atomic.Bool  // another one was asked for because it was refused
}

// credentialOf makes the credential of a configuration: parts are what was read of it,
// and bearer the token that was got for it.
func (c *Client) credentialOf(cfg Config, parts *Client, bearer string) *credential {
	common := maps.Clone(parts.common)
	if common == nil {
		common = make(http.Header)
	}
	common.Del("Host") // net/http takes it from elsewhere
	if common.Get("User-Agent") == "" {
		common.Set("User-Agent", cmp.Or(cfg.UserAgent, "billonce"))
	}
	if bearer = cmp.Or(bearer, cfg.Token); bearer != "" {
		common.Set("Authorization", "Bearer "+bearer)
	}
	if cfg.BasicAuth != "" {
		common.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(cfg.BasicAuth)))
	}
	n := &credential{header: maps.Clone(common), lookup: common, signer: parts.signer}
	setBasicAuth(n.header, parts.url)
	if parts.body != nil && n.header.Get("Content-Type") == "" {
		n.header.Set("Content-Type", "application/json")
	}
	n.lookup.Del("Content-Type")
	n.lookup.Del("Expect")
	// A cached 404 would be taken for proof (RFC 9111, 5.2.1.4).
	n.lookup.Set("Cache-Control", "no-cache")
	setBasicAuth(n.lookup, parts.lookup)
	cfg.Token = bearer
	n.redactor = newRedactor(parts.common, cfg, parts.url, parts.lookup)
	return n
}

func setBasicAuth(h http.Header, t *templates.URL) {
	if t != nil && t.User != nil && h.Get("Authorization") == "" {
		h.Set("Authorization", "Basic "+basicAuth(t.User))
	}
}

func basicAuth(user *url.Userinfo) string {
	password, _ := user.Password()
	return base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
}

// shows says whether two credentials show the same.
func (n *credential) shows(other *credential) bool {
	return maps.EqualFunc(n.header, other.header, slices.Equal[[]string]) && maps.EqualFunc(n.lookup, other.lookup, slices.Equal[[]string]) &&
		(n.signer == nil) == (other.signer == nil) && (n.signer == nil || slices.Equal(n.signer.key, other.signer.key))
}

func (n *credential) isDue(now time.Time) bool {
	due := n.due.Load()
	return due != 0 && now.UnixNano() >= due
}

func (n *credential) isOver(now time.Time) bool { return !n.ends.IsZero() && !now.Before(n.ends) }

// setSecretHeaders notes what is masked, and the Host header.
func (c *Client) setSecretHeaders() {
	c.secretHeaders = make(map[string]bool)
	for name := range c.common {
		c.secretHeaders[name] = !isHarmless(name)
	}
	c.host = c.common.Get("Host")
}

// showing has connections show the client's certificate as it is when they are made.
func (c *Client) showing(config *tls.Config) *tls.Config {
	if config == nil || len(config.Certificates) == 0 {
		return config
	}
	c.certificate.Store(&config.Certificates[0])
	config = config.Clone()
	config.Certificates = nil
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.certificate.Load(), nil }
	return config
}

// redactor takes out the secrets that are in use.
func (c *Client) redactor() redactor { return c.shown().redactor }

// shown is what people may see of the credential that is in use, or would be.
func (c *Client) shown() *credential {
	if held := c.credentials.held.Load(); held != nil {
		return held
	}
	return c.credentialOf(c.config, c, unknownToken)
}

// unknownToken stands for one that nobody has asked for yet.
const unknownToken = "***"
