package billinghttp

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp/templates"
	"github.com/billonce/billonce/internal/words"
)

const (
	excerptMax = 200 // bytes of a reply's body that a reason may hold
	// minSecret keeps "1" and "eu" from being starred out of every reason.
	minSecret = 4
)

// redactor takes secrets out of what others say: APIs echo headers in their
// error pages.
type redactor struct {
	secrets []string // longest first
	own     []string // those of one credential
}

func newRedactor(header http.Header, c Config, templates ...*templates.URL) redactor {
	var secrets []string
	for name, values := range header {
		if isHarmless(name) {
			continue
		}
		for _, value := range values {
			secrets = append(secrets, value)
			secrets = append(secrets, strings.Fields(value)...) // "Basic …": the second word is enough
		}
	}
	for _, t := range templates {
		if t == nil {
			continue
		}
		secrets = append(secrets, t.Secrets...)
		if password, ok := t.User.Password(); ok { // nil has none
			secrets = append(secrets, password, basicAuth(t.User))
		}
	}
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return len(s) < minSecret })
	secrets = append(secrets, c.Token, strings.TrimPrefix(c.Signing, "whsec_"))
	if o := c.OAuth; o.ClientSecret != "" {
		both := url.QueryEscape(o.ClientID) + ":" + url.QueryEscape(o.ClientSecret) // RFC 6749, 2.3.1
		secrets = append(secrets, o.ClientSecret, base64.StdEncoding.EncodeToString([]byte(both)))
	}
	if _, password, ok := strings.Cut(c.BasicAuth, ":"); ok {
		secrets = append(secrets, password, base64.StdEncoding.EncodeToString([]byte(c.BasicAuth)))
	}
	for _, s := range slices.Clone(secrets) {
		secrets = append(secrets, url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(s, "/", `\/`))
	}
	secrets = longestFirst(secrets)
	return redactor{secrets: secrets, own: secrets}
}

// and takes out another one's secrets, too. It forgets what that one took over from others.
func (r redactor) and(other redactor) redactor {
	return redactor{secrets: longestFirst(append(slices.Clone(r.secrets), other.own...)), own: r.own}
}

// redactorOf takes out the secrets of one invoice's request, too.
func (c *Client) redactorOf(m billing.Request) redactor {
	r := c.redactor()
	var values, secrets []string
	for _, h := range m.Headers {
		if h.Secret {
			values = append(values, append(strings.Fields(h.Value), h.Value)...)
		}
	}
	for _, s := range m.Secrets {
		values = append(values, string(s))
	}
	for _, s := range append(values, c.rowSecrets(m)...) {
		if len(s) >= minSecret {
			quoted, _ := templates.JSON(s) // a text always can be written
			secrets = append(secrets, s, url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(s, "/", `\/`), strings.Trim(quoted, `"`))
		}
	}
	if secrets == nil {
		return r
	}
	return redactor{secrets: longestFirst(append(secrets, r.secrets...))}
}

func longestFirst(secrets []string) []string {
	slices.SortFunc(secrets, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	return slices.DeleteFunc(slices.Compact(secrets), func(s string) bool { return s == "" })
}

// clean makes a short, harmless line of what others said.
func (r redactor) clean(text string) string {
	text = r.redact(words.Printable(r.redact(text)))
	if len(text) <= excerptMax {
		return text
	}
	cut := excerptMax - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

func (r redactor) redact(text string) string {
	for _, s := range r.secrets {
		text = strings.ReplaceAll(text, s, "***")
	}
	// The text may have been cut in the middle of a secret.
	for _, s := range r.secrets {
		for n := min(len(s)-1, len(text)); n >= minSecret; n-- {
			if strings.HasSuffix(text, s[:n]) {
				text = text[:len(text)-n] + "***"
				break
			}
		}
	}
	return text
}
