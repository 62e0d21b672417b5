package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// config is the whole environment of the program, in the order in which
// .env.example explains it. The tags beside envconfig's own:
//
//	needed  the commands that cannot do without it: database or billing
//	secret  never shown, and may come from a file (its _FILE twin)
//	unset   what leaving it unset means, where there is no default
//	min, max, oneof  what is allowed
type config struct {
	DatabaseURL     string `envconfig:"DATABASE_URL" needed:"database" secret:"true" desc:"PostgreSQL, as a URL or as key=value words. The word embedded starts a private server for trying things out."`
	LockDatabaseURL string `envconfig:"LOCK_DATABASE_URL" secret:"true" unset:"DATABASE_URL" desc:"A direct connection for the run lock, where DATABASE_URL is a pooler in transaction mode."`

	LockStrategy string        `envconfig:"LOCK_STRATEGY" default:"advisory" oneof:"advisory row" desc:"How one invoice is kept to one runner: advisory or row."`
	RunLock      string        `envconfig:"RUN_LOCK" default:"exclusive" oneof:"exclusive shared off" desc:"exclusive: a second run ends at once, with exit code 0. shared: runners work side by side. off: no run lock."`
	RunName      string        `envconfig:"RUN_NAME" unset:"the name in INVOICES_TABLE" desc:"Runs of one name exclude each other."`
	RunLockWait  time.Duration `envconfig:"RUN_LOCK_WAIT" default:"0s" min:"0s" max:"8760h" desc:"How long to wait for the run lock."`
	RunDeadline  time.Duration `envconfig:"RUN_DEADLINE" min:"1ms" max:"8760h" unset:"none" desc:"Stop claiming invoices after this."`
	RunLimit     int           `envconfig:"RUN_LIMIT" min:"1" unset:"none" desc:"Send at most this many invoices."`
	RunCanary    int           `envconfig:"RUN_CANARY" min:"1" unset:"none" desc:"Send this many invoices first, and the rest only if all of them were accepted at once; else stop with exit code 4."`
	Linger       time.Duration `envconfig:"LINGER" default:"60s" min:"0s" max:"8760h" desc:"Once the scan is done: how long to wait for invoices that others hold or that are due for another attempt."`
	DrainTimeout time.Duration `envconfig:"DRAIN_TIMEOUT" default:"35s" min:"0s" max:"8760h" desc:"After SIGTERM: how long requests in flight may take. Keep it above BILLING_TIMEOUT; below, it leaves invoices in doubt."`
	ClaimSize    int           `envconfig:"CLAIM_SIZE" default:"500" min:"1" max:"10000" desc:"Invoices in one claim."`
	Concurrency  int           `envconfig:"CONCURRENCY" default:"64" min:"1" max:"10000" desc:"Requests in flight."`

	LedgerSchema  string `envconfig:"LEDGER_SCHEMA" default:"billonce" desc:"The schema of Billonce's own tables. Another book of invoices in the same database takes another schema."`
	LockNamespace string `envconfig:"LOCK_NAMESPACE" unset:"the lock key of an integer id is the id itself" desc:"Set it where another application uses the same advisory lock keys: the key is then a 64-bit hash of namespace and id."`

	InvoicesTable    string `envconfig:"INVOICES_TABLE" default:"invoices" desc:"The table or updatable view of invoices, written as in SQL: billing.\"Invoice\"."`
	InvoicesID       string `envconfig:"INVOICES_ID" default:"id" desc:"Its key column: bigint, integer, uuid or text."`
	InvoicesPending  string `envconfig:"INVOICES_PENDING" default:"pending" desc:"SQL predicate: which invoices are to be sent."`
	InvoicesMarkSent string `envconfig:"INVOICES_MARK_SENT" default:"pending = false, sent_at = now()" desc:"SQL assignments: what marks an invoice sent. {reply.id} stands for what the API's reply says there, as text; {reply.data.id} for what lies deeper."`

	BillingURL            string         `envconfig:"BILLING_URL" needed:"billing" url:"true" desc:"Where each invoice is sent. {column} is filled from its row: https://billing.example/v1/invoices/{id}/send"`
	BillingMethod         string         `envconfig:"BILLING_METHOD" default:"POST" desc:"HTTP method of that request."`
	BillingToken          string         `envconfig:"BILLING_TOKEN" secret:"true" unset:"none" desc:"Bearer token."`
	BillingBasicAuth      string         `envconfig:"BILLING_BASIC_AUTH" secret:"true" unset:"none" desc:"Basic authentication instead: user:password."`
	BillingTLSCert        string         `envconfig:"BILLING_TLS_CERT" secret:"true" unset:"none" desc:"Client certificate for mutual TLS, in PEM, with BILLING_TLS_KEY."`
	BillingTLSKey         string         `envconfig:"BILLING_TLS_KEY" secret:"true" unset:"none" desc:"Its private key, in PEM."`
	BillingTLSCA          string         `envconfig:"BILLING_TLS_CA" secret:"true" unset:"whom the system trusts" desc:"The certificates, in PEM, of the authority that alone is trusted."`
	BillingSigningSecret  string         `envconfig:"BILLING_SIGNING_SECRET" secret:"true" unset:"none" desc:"Sign each request with HMAC-SHA256 as Standard Webhooks has it: whsec_ and the key in base64."`
	BillingHeaders        headers        `envconfig:"BILLING_HEADERS" secret:"true" unset:"none" desc:"Further headers, Name: value, comma-separated. A comma within a value is written \\,"`
	BillingBody           string         `envconfig:"BILLING_BODY" default:"row" desc:"row: the invoice's row as JSON. none: no body. Anything else is a Go text/template over the row, with the functions json, urlquery and cents."`
	BillingIdempotent     bool           `envconfig:"BILLING_IDEMPOTENT" default:"false" desc:"The API honours Idempotency-Key. Only then is a request of unknown outcome sent again."`
	BillingIdempotencyTTL time.Duration  `envconfig:"BILLING_IDEMPOTENCY_TTL" default:"24h" min:"1ms" max:"87600h" desc:"How long the API remembers a key."`
	BillingSuccess        *regexp.Regexp `envconfig:"BILLING_SUCCESS" unset:"none" desc:"Regular expression that the body of an accepted reply must match, for APIs that answer 200 with an error."`
	BillingReplyID        string         `envconfig:"BILLING_REPLY_ID" unset:"none" desc:"JSON pointer to the id that an accepted reply gives the invoice, for example /id: the ledger keeps it, and batch history shows it."`
	BillingLookupURL      string         `envconfig:"BILLING_LOOKUP_URL" url:"true" unset:"none" desc:"Asked by GET about an unknown outcome: 200 means that the API has acted, 404 that it has not. Takes {column} as BILLING_URL does."`
	BillingTimeout        time.Duration  `envconfig:"BILLING_TIMEOUT" default:"30s" min:"1ms" max:"8760h" desc:"Hard deadline of one request."`
	BillingMaxAttempts    int            `envconfig:"BILLING_MAX_ATTEMPTS" default:"5" min:"1" max:"10000" desc:"Attempts for one invoice in one run."`
	BillingRate           float64        `envconfig:"BILLING_RATE" unset:"none" desc:"Requests a second, at most, for this runner."`
	BillingBreaker        int            `envconfig:"BILLING_BREAKER" default:"20" min:"1" desc:"Stop the run after so many consecutive outcomes that were neither accepted nor refused; 401 and 403 count as such."`

	MetricsAddr    string `envconfig:"METRICS_ADDR" unset:"none" desc:"Serve Prometheus metrics at this address, for example :9090"`
	PushgatewayURL string `envconfig:"PUSHGATEWAY_URL" url:"true" unset:"none" desc:"Push the metrics there as the run ends."`
	PodName        string `envconfig:"POD_NAME" unset:"the host's name" desc:"Whom locks, ledger and logs name; the manifests fill it in, and the next two."`
	NodeName       string `envconfig:"NODE_NAME" unset:"none" desc:"The node that the pod is on."`
	JobName        string `envconfig:"JOB_NAME" unset:"none" desc:"The Job that the pod belongs to."`
	LogLevel       string `envconfig:"LOG_LEVEL" default:"info" oneof:"trace debug info warn error" desc:"trace, debug, info, warn or error."`
	LogFormat      string `envconfig:"LOG_FORMAT" default:"auto" oneof:"auto json console" desc:"json, console, or auto: console on a terminal."`
}

// embedded is the DATABASE_URL that stands for a private server.
const embedded = "embedded"

// withFallbacks fills in what is taken from another variable when unset.
func (c config) withFallbacks() config {
	if c.LockDatabaseURL == "" {
		c.LockDatabaseURL = c.DatabaseURL
	}
	if c.RunName == "" {
		c.RunName = c.InvoicesTable
	}
	return c
}

// warnings names what is allowed and seldom meant.
func (c config) warnings() []string {
	var all []string
	if c.DrainTimeout < c.BillingTimeout {
		all = append(all, fmt.Sprintf("DRAIN_TIMEOUT (%s) is below BILLING_TIMEOUT (%s): "+
			"a shutdown can cut requests off whose outcome is then unknown", c.DrainTimeout, c.BillingTimeout))
	}
	if c.BillingIdempotent && c.BillingIdempotencyTTL <= c.BillingTimeout {
		all = append(all, fmt.Sprintf("BILLING_IDEMPOTENCY_TTL (%s) is not above BILLING_TIMEOUT (%s): "+
			"no request of unknown outcome can be sent again", c.BillingIdempotencyTTL, c.BillingTimeout))
	}
	if c.BillingURL != "" && !strings.Contains(c.BillingURL, "{") && c.BillingBody == "none" {
		all = append(all, "BILLING_URL has no {column} and BILLING_BODY is none: no request says which invoice it is for")
	}
	return all
}

// redacted is what a debug log may show: secrets are masked, and of URLs only
// the host is left, since tokens are found in paths and queries too.
func (c config) redacted() map[string]string {
	shown := make(map[string]string)
	for _, v := range variables() {
		value := v.valueIn(&c)
		text := fmt.Sprint(value.Interface())
		switch {
		case value.IsZero() && v.def == "":
			text = ""
		case v.secret:
			text = "***"
		case v.url:
			text = redactURL(text)
		case v.name == "BILLING_BODY" && text != "row" && text != "none":
			text = "(template)"
		}
		shown[v.name] = text
	}
	return shown
}

func redactURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "***"
	}
	return u.Scheme + "://" + u.Host + "/…"
}

// headers is BILLING_HEADERS. Its errors quote nothing: headers carry secrets.
type headers http.Header

// Decode implements envconfig.Decoder.
func (h *headers) Decode(text string) error {
	decoded := make(http.Header)
	for i, pair := range splitUnescaped(text) {
		name, value, found := strings.Cut(pair, ":")
		name, value = strings.TrimSpace(name), strings.Trim(value, " \t")
		switch {
		case !found || !isToken(name):
			return fmt.Errorf(`entry %d is not "Name: value"; write a comma within a value as \,`, i+1)
		case !isHeaderValue(value):
			return fmt.Errorf("entry %d has a control character in its value", i+1)
		}
		decoded.Add(name, value)
	}
	*h = headers(decoded)
	return nil
}

// splitUnescaped splits at commas that no backslash precedes.
func splitUnescaped(text string) []string {
	var parts []string
	var part strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, ",")
		escaped := found && strings.HasSuffix(before, `\`)
		if escaped {
			part.WriteString(strings.TrimSuffix(before, `\`) + ",")
		} else {
			part.WriteString(before)
			parts = append(parts, part.String())
			part.Reset()
		}
		if !found {
			return parts
		}
		rest = after
	}
}

// isToken says whether text is a token of RFC 9110: a method or header name.
func isToken(text string) bool {
	for _, r := range text {
		alphanumeric := r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", r) {
			return false
		}
	}
	return text != ""
}

func isHeaderValue(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && r < ' ' || r == 0x7f })
}
