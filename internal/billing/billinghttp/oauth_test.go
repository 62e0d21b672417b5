package billinghttp

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billingfake"
)

const clientSecret = "s&cret/" + canary

// tokenAPI is an API that takes its own tokens alone.
func tokenAPI(t *testing.T, client billingfake.Client, change func(*Config)) (*billingfake.Tokens, *billingfake.API, *Client) {
	t.Helper()
	client.ID, client.Secret = "me:too", clientSecret
	tokens := billingfake.NewTokens(client, nil)
	api := billingfake.New(billingfake.Config{Tokens: tokens})
	t.Cleanup(api.Close)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return tokens, api, newClient(t, server.URL, func(c *Config) {
		c.Token = ""
		c.LookupURL = server.URL + "/v1/invoices/{id}"
		c.OAuth = OAuth{TokenURL: server.URL + "/oauth/token", ClientID: "me:too", ClientSecret: clientSecret, Scope: client.Scope}
		if change != nil {
			change(c)
		}
	})
}

// One token serves all requests, however the server wants the client's secret, and
// however many begin at once.
func TestTokenIsGotOnce(t *testing.T) {
	t.Parallel()
	for _, client := range []billingfake.Client{{Life: time.Hour, Scope: "bill read"}, {InBody: true}} {
		tokens, api, c := tokenAPI(t, client, nil)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { wantOutcome(t, send(t, c), billing.Accepted, "") })
		}
		all.Wait()
		if found := c.LookUp(t.Context(), message(t, c)); found.Finding != billing.Acted {
			t.Errorf("%+v", found)
		}
		if n := tokens.Counts(); n.Issued != 1 || n.AtOnce != 1 || n.Unauthorized != 0 || api.Effects() != 20 {
			t.Errorf("%+v, %d effects", n, api.Effects())
		}
	}
}

// What is refused for a token that was taken back is told to be tried again: with another
// one, which is asked for once. A look-up tries again by itself.
func TestTokenThatIsTakenBack(t *testing.T) {
	t.Parallel()
	tokens, api, c := tokenAPI(t, billingfake.Client{}, nil)
	wantOutcome(t, send(t, c), billing.Accepted, "")
	tokens.Revoke()
	reply := send(t, c)
	if wantOutcome(t, reply, billing.NotSent, "401"); !reply.Replaced || reply.Denied {
		t.Errorf("%+v, want it to be tried again", reply)
	}
	wantOutcome(t, send(t, c), billing.Accepted, "")
	tokens.Revoke()
	if found := c.LookUp(t.Context(), message(t, c)); found.Finding != billing.Acted {
		t.Errorf("%+v", found)
	}
	if n := tokens.Counts(); n.Issued != 3 || api.Effects() != 2 {
		t.Errorf("%+v, %d effects", n, api.Effects())
	}
	// A client that is shut out asks no more.
	tokens.Revoke()
	tokens.Rotate("another")
	for range 3 {
		if reply := send(t, c); reply.Outcome != billing.NotSent || !reply.Denied || reply.Replaced ||
			!strings.Contains(reply.Reason, "there is no other credential: BILLING_OAUTH_TOKEN_URL gives no token: HTTP 401 Unauthorized: invalid_client") {
			t.Errorf("%+v", reply)
		}
	}
}

// Where no token can be had, nothing was sent, and no reason holds a secret.
func TestTokenCannotBeHad(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		`400 {"error":"invalid_scope","error_description":"not for ` + clientSecret + `"}`: "HTTP 400 Bad Request: invalid_scope not for ***",
		"503 " + clientSecret:                              "HTTP 503 Service Unavailable",
		`200 {"token_type":"bearer"}`:                      "server response missing access_token",
		`200 {"access_token":"a b","token_type":"bearer"}`: "gave something else than a bearer token",
		`200 {"access_token":"a","token_type":"mac"}`:      "gave something else than a bearer token",
		"307 ": "HTTP 307 Temporary Redirect",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/token" {
				t.Errorf("asked for %s", r.URL)
			}
			status, body, _ := strings.Cut(said, " ")
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(map[string]int{"400": 400, "503": 503, "200": 200, "307": 307}[status])
			_, _ = w.Write([]byte(body))
		}))
		c := newClient(t, server.URL, func(c *Config) {
			c.Token, c.OAuth = "", OAuth{TokenURL: server.URL + "/token?key=" + canary, ClientID: "me", ClientSecret: clientSecret}
		})
		reply := send(t, c)
		if wantOutcome(t, reply, billing.NotSent, want); !strings.HasPrefix(reply.Reason, "nothing was sent: BILLING_OAUTH_TOKEN_URL g") {
			t.Errorf("%+v", reply)
		}
		c.Close()
		server.Close()
	}
}

// A token that was got is shown nowhere, nor is one asked for only to show a request.
func TestTokenIsNotShown(t *testing.T) {
	t.Parallel()
	tokens, _, c := tokenAPI(t, billingfake.Client{}, nil)
	for range 2 {
		text, err := c.Describe(t.Context(), message(t, c))
		if err != nil || !strings.Contains(text, "Authorization: Bearer ***\n") {
			t.Errorf("%s, %v", text, err)
		}
		if n := tokens.Counts(); n.Issued > 1 || n.Unauthorized > 0 {
			t.Errorf("%+v", n)
		}
		wantOutcome(t, send(t, c), billing.Accepted, "")
	}
	token := tokens.Valid()[0]
	if got := c.redactor().clean("they say " + token + " and " + clientSecret); got != "they say *** and ***" {
		t.Error(got)
	}
}

// A secret whose file was written anew is read again, for the next token and in place of a
// token itself.
func TestSecretFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	var now Config
	tokens, _, c := tokenAPI(t, billingfake.Client{}, func(c *Config) {
		c.Again = func() (Config, error) { return now, nil }
		now = *c
	})
	wantOutcome(t, send(t, c), billing.Accepted, "")
	tokens.Revoke()
	tokens.Rotate("another")
	now.OAuth.ClientSecret = "another"
	if reply := send(t, c); !reply.Replaced {
		t.Errorf("%+v", reply)
	}
	wantOutcome(t, send(t, c), billing.Accepted, "")

	for name, set := range map[string]func(c *Config, token string){
		"token":   func(c *Config, token string) { c.Token = token },
		"headers": func(c *Config, token string) { c.Headers = "Authorization: Bearer " + token },
	} {
		tokens, api, c := tokenAPI(t, billingfake.Client{}, func(c *Config) {
			c.OAuth = OAuth{}
			set(c, canary)
			now := *c
			set(&now, "fresh-"+canary)
			c.Again = func() (Config, error) { return now, nil }
		})
		tokens.Accept(canary)
		wantOutcome(t, send(t, c), billing.Accepted, "")
		tokens.Revoke()
		tokens.Accept("fresh-" + canary)
		if reply := send(t, c); !reply.Replaced {
			t.Errorf("%s: %+v", name, reply)
		}
		wantOutcome(t, send(t, c), billing.Accepted, "")
		tokens.Revoke()
		for range 2 {
			if reply := send(t, c); reply.Replaced || !reply.Denied {
				t.Errorf("%s: %+v", name, reply)
			}
		}
		if api.Effects() != 2 {
			t.Errorf("%s: %d effects", name, api.Effects())
		}
	}
}

func TestOAuthSettings(t *testing.T) {
	good := OAuth{TokenURL: "https://id.example/token", ClientID: "me", ClientSecret: "s"}
	for want, change := range map[string]func(c *Config){
		"":                            func(*Config) {},
		"BILLING_OAUTH_CLIENT_SECRET": func(c *Config) { c.OAuth.ClientSecret = "" },
		"BILLING_OAUTH_CLIENT_ID":     func(c *Config) { c.OAuth.ClientID = "" },
		"BILLING_OAUTH_TOKEN_URL":     func(c *Config) { c.OAuth.TokenURL = "id.example" },
		"BILLING_TOKEN":               func(c *Config) { c.Token = "t" },
		"BILLING_BASIC_AUTH":          func(c *Config) { c.BasicAuth = "a:b" },
		"BILLING_HEADERS":             func(c *Config) { c.Headers = "Authorization: Bearer {api_token}" },
		"BILLING_URL":                 func(c *Config) { c.URL = "https://me:secret@api.example/{id}" },
	} {
		c := Config{URL: "https://api.example/{id}", Body: "none", OAuth: good, Timeout: time.Second}
		change(&c)
		faults := Check(c)
		if want == "" && len(faults) > 0 || want != "" && (len(faults) != 1 || faults[0].Variable != want) {
			t.Errorf("%s: %+v", want, faults)
		}
	}
}
