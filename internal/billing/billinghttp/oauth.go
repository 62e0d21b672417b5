package billinghttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/billonce/billonce/internal/billing/billinghttp/templates"
	"github.com/billonce/billonce/internal/fault"
)

// OAuth is how a bearer token is got: by client credentials (RFC 6749, 4.4).
type OAuth struct {
	TokenURL     string // empty: none is got
	ClientID     string
	ClientSecret string
	Scope        string // words; empty: the server's own
}

// tokens gets tokens, one at a time.
type tokens struct {
	client *Client
	http   *http.Client
	// config is asked again as long as it stays the same: it knows how the server takes
	// the client's secret, after having tried.
	config *clientcredentials.Config
}

func newTokens(c *Client) *tokens {
	return &tokens{client: c, http: &http.Client{
		Transport:     c.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// credential gets a token, with the client's secret as it is now.
func (t *tokens) credential(ctx context.Context) (*credential, error) {
	cfg, parts, err := t.client.readAgain()
	if err != nil {
		return nil, err
	}
	if o := cfg.OAuth; t.config == nil || t.config.ClientSecret != o.ClientSecret {
		t.config = &clientcredentials.Config{
			TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecret: o.ClientSecret, Scopes: strings.Fields(o.Scope),
		}
	}
	asked := time.Now()
	token, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.http))
	if err != nil {
		return nil, errors.New(t.explain(ctx, cfg, parts, err))
	}
	if !strings.EqualFold(token.Type(), "Bearer") || !templates.IsFieldValue(token.AccessToken) || strings.ContainsAny(token.AccessToken, " \t") {
		return nil, errors.New("BILLING_OAUTH_TOKEN_URL gave something else than a bearer token")
	}
	got := t.client.credentialOf(cfg, parts, token.AccessToken)
	if !token.Expiry.IsZero() {
		// Reckoned from before the server did: it is over here no later than there.
		life := time.Until(token.Expiry)
		got.ends = asked.Add(life)
		got.due.Store(got.ends.Add(-min(t.client.timeout+renewMargin, life/4)).UnixNano())
	}
	return got, nil
}

// renewMargin is how long before its end a token is replaced at the latest, beside the time
// that a request may take to get to the API; of one that lives shortly, a quarter of its life.
const renewMargin = 30 * time.Second

// explain says for people why there is no token, without what the server must not tell.
func (t *tokens) explain(ctx context.Context, cfg Config, parts *Client, err error) string {
	redactor := t.client.credentialOf(cfg, parts, "").redactor
	const lead = "BILLING_OAUTH_TOKEN_URL gives no token: "
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		text := fmt.Sprintf("HTTP %d", refused.Response.StatusCode)
		if name := http.StatusText(refused.Response.StatusCode); name != "" {
			text += " " + name
		}
		// Without the form of RFC 6749, 5.2 nobody knows what it says.
		return lead + text + redactor.clean(strings.TrimRight(": "+refused.ErrorCode+" "+refused.ErrorDescription, ": "))
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if ctx.Err() != nil {
		return lead + fmt.Sprintf("it did not answer within BILLING_TIMEOUT (%s)", t.client.timeout)
	}
	return lead + redactor.clean(strings.TrimPrefix(err.Error(), "oauth2: "))
}

// checkOAuth says what is wrong with the settings of a token that is to be got.
func checkOAuth(c Config, header http.Header) (faults []fault.Fault) {
	o := c.OAuth
	if o == (OAuth{}) {
		return nil
	}
	for _, part := range []struct{ variable, value string }{
		{"BILLING_OAUTH_TOKEN_URL", o.TokenURL}, {"BILLING_OAUTH_CLIENT_ID", o.ClientID}, {"BILLING_OAUTH_CLIENT_SECRET", o.ClientSecret},
	} {
		if part.value == "" {
			faults = append(faults, fault.New(part.variable, "is not set, and another BILLING_OAUTH_… variable is; a token needs the URL, the client's id and its secret"))
		}
	}
	if u, err := url.Parse(o.TokenURL); o.TokenURL != "" && (err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.Fragment != "") {
		faults = append(faults, fault.New("BILLING_OAUTH_TOKEN_URL", "is not a URL of the form https://host/path"))
	}
	_, sets := header["Authorization"]
	for _, other := range []struct {
		variable string
		is       bool
	}{{"BILLING_TOKEN", c.Token != ""}, {"BILLING_BASIC_AUTH", c.BasicAuth != ""}, {"BILLING_HEADERS", sets}} {
		if other.is {
			faults = append(faults, fault.New(other.variable, "sets Authorization, and BILLING_OAUTH_TOKEN_URL is set; a request carries one of the two"))
		}
	}
	return faults
}
