package billingfake

import (
	"crypto/rand"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const tokenPath = "/oauth/token"

// Client is who may have tokens, and how.
type Client struct {
	ID, Secret string
	Scope      string        // that it has to ask for; empty: none
	InBody     bool          // id and secret stand in the body, and are not taken as Basic
	Life       time.Duration // of a token; 0: for ever
}

// Tokens is a token endpoint for client credentials (RFC 6749, 4.4), as strict as it may
// be, at POST /oauth/token. The API then takes no request without one of its tokens
// (RFC 6750).
type Tokens struct {
	mu     sync.Mutex
	client Client
	valid  map[string]time.Time // until when; zero: for ever
	counts TokenCounts
	atWork int
	before func() // of each answer; nil: nothing
}

// TokenCounts is what a token endpoint has seen.
type TokenCounts struct {
	Issued       int // tokens
	Refused      int // requests for one
	AtOnce       int // such requests at the same time, at most
	Unauthorized int // requests to the API that were answered 401
}

// NewTokens returns an endpoint for one client. before, if not nil, is called before each
// answer.
func NewTokens(c Client, before func()) *Tokens {
	return &Tokens{client: c, valid: map[string]time.Time{}, before: before}
}

// Counts is what was seen so far.
func (t *Tokens) Counts() TokenCounts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// Rotate gives the client another secret: the old one is good for nothing.
func (t *Tokens) Rotate(secret string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.client.Secret = secret
}

// Revoke takes all tokens back.
func (t *Tokens) Revoke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.valid)
}

// Accept has the API take a token that nobody has to ask for.
func (t *Tokens) Accept(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.valid[token] = time.Time{}
}

// Valid are the tokens that the API takes, those that have expired among them.
func (t *Tokens) Valid() (all []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for token := range t.valid {
		all = append(all, token)
	}
	return all
}

// admits says whether a request carries a token that is good now.
func (t *Tokens) admits(r *http.Request, now time.Time) bool {
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t.mu.Lock()
	defer t.mu.Unlock()
	until, known := t.valid[token]
	if isBearer && known && (until.IsZero() || now.Before(until)) {
		return true
	}
	t.counts.Unauthorized++
	return false
}

func unauthorized() reply {
	r := failure(http.StatusUnauthorized, "the token is missing, unknown or expired")
	r.header = http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}}
	return r
}

// serve answers a request for a token.
func (t *Tokens) serve(r *http.Request, body []byte, now time.Time) reply {
	t.mu.Lock()
	t.atWork++
	t.counts.AtOnce = max(t.counts.AtOnce, t.atWork)
	t.mu.Unlock()
	if t.before != nil {
		t.before()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.atWork--
	if status, code := t.client.refusal(r, body); code != "" {
		t.counts.Refused++
		return tokenReply(status, fmt.Appendf(nil, `{"error":%s}`, quoted(code)))
	}
	token := "at_" + rand.Text()
	t.counts.Issued++
	if t.client.Life == 0 {
		t.valid[token] = time.Time{}
		return tokenReply(http.StatusOK, fmt.Appendf(nil, `{"access_token":%s,"token_type":"bearer"}`, quoted(token)))
	}
	t.valid[token] = now.Add(t.client.Life)
	return tokenReply(http.StatusOK, fmt.Appendf(nil, `{"access_token":%s,"token_type":"bearer","expires_in":%d}`, quoted(token), int(t.client.Life.Seconds())))
}

// refusal says why a request gets no token (RFC 6749, 5.2); no code: it gets one.
func (c Client) refusal(r *http.Request, body []byte) (status int, code string) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form, err := url.ParseQuery(string(body))
	if r.Method != http.MethodPost || kind != "application/x-www-form-urlencoded" || err != nil {
		return http.StatusBadRequest, "invalid_request"
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	basicID, basicSecret, isBasic := r.BasicAuth()
	if isBasic && form.Has("client_secret") { // 2.3: no more than one way
		return http.StatusBadRequest, "invalid_request"
	}
	if isBasic && !c.InBody { // 2.3.1: both are escaped as in a form
		id, _ = url.QueryUnescape(basicID) // what can't be read is nobody's
		secret, _ = url.QueryUnescape(basicSecret)
	}
	switch {
	case isBasic == c.InBody, id != c.ID, secret != c.Secret:
		return http.StatusUnauthorized, "invalid_client"
	case form.Get("grant_type") != "client_credentials":
		return http.StatusBadRequest, "unsupported_grant_type"
	case form.Get("scope") != c.Scope:
		return http.StatusBadRequest, "invalid_scope"
	}
	return 0, ""
}

func tokenReply(status int, body []byte) reply {
	r := reply{status: status, body: body, header: http.Header{"Cache-Control": {"no-store"}}}
	if status == http.StatusUnauthorized {
		r.header.Set("WWW-Authenticate", `Basic realm="tokens"`)
	}
	return r
}
