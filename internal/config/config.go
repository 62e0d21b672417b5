// Package config is the front door: what the environment says, decoded, with all
// that is wrong with it at once. It knows no edge; what only an edge can judge, the
// edge checks (billinghttp.Check, book.Parse, pgstore.CheckURL), and the command
// joins all of it in one message.
package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	// SettleTimeout is how long after DRAIN_TIMEOUT a run that was told to stop may go
	// on writing down what the API answered.
	SettleTimeout = 5 * time.Second
	// TellTimeout is how long it may then take to tell others of its end, all at once:
	// metrics, traces, NOTIFY_URL, PING_URL.
	TellTimeout = 5 * time.Second
)

// Config is the whole environment of the program. Each variable is described here
// and nowhere else: `batch help environment`, .env.example and docs/reference.md are
// made of it, in its order. A new one is a new field. The tags beside envconfig's own:
//
//	group   the heading that begins here
//	needed  the commands that cannot do without it: database or billing
//	secret  never shown, and may come from a file (its _FILE twin)
//	unset   what leaving it unset means, where there is no default
//	form    what the text has to be: url, address (to listen at); template: a URL that an edge checks
//	min, max, oneof  what is allowed
//	anycase  however it is written, it is read in lower case
//	alias   another word for one of oneof: other=one
//	decides a change of it is tried with a few invoices first: it decides what is sent, where
//	        to, what replies mean, or which invoices are pending
//	desc    what it means; lines that begin with two spaces stay as they are
type Config struct {
	DatabaseURL          string `envconfig:"DATABASE_URL" group:"The database" needed:"database" secret:"true" desc:"PostgreSQL, as a URL (postgres://user:password@host:5432/database) or as words (host=… dbname=…). embedded starts a private server for trying things out."`
	LockDatabaseURL      string `envconfig:"LOCK_DATABASE_URL" secret:"true" unset:"DATABASE_URL" desc:"A direct connection for the run lock, where DATABASE_URL is a pooler in transaction mode, through which a session's lock excludes nobody."`
	FailoverLosesCommits bool   `envconfig:"FAILOVER_LOSES_COMMITS" default:"true" desc:"false: replication is synchronous, or the storage is shared, so that a fail-over loses nothing and a new timeline is trusted. A recovery to a point in time of the same cluster is not noticed either."`

	LockStrategy  string        `envconfig:"LOCK_STRATEGY" group:"The run" default:"advisory" oneof:"advisory row" desc:"How one invoice is kept to one runner.\n  advisory  advisory locks: a claim writes nothing, and no vacuum waits\n  row       row locks, FOR NO KEY UPDATE SKIP LOCKED: use smaller claims"`
	RunLock       string        `envconfig:"RUN_LOCK" default:"exclusive" oneof:"exclusive shared off" desc:"How runs are kept apart.\n  exclusive  a second run ends at once, with exit code 0\n  shared     runners work side by side\n  off        no run lock; invoices are locked one by one all the same"`
	RunName       string        `envconfig:"RUN_NAME" unset:"the name in INVOICES_TABLE; with another LEDGER_SCHEMA than billonce that schema and the table's name, for example refunds.invoices" desc:"Runs of one name exclude each other."`
	RunLockWait   time.Duration `envconfig:"RUN_LOCK_WAIT" default:"0s" min:"0s" max:"8760h" desc:"How long to wait for the run lock."`
	RunDeadline   time.Duration `envconfig:"RUN_DEADLINE" min:"1ms" max:"8760h" unset:"none" desc:"Stop claiming invoices after this; what is in flight is finished."`
	RunLimit      int           `envconfig:"RUN_LIMIT" min:"1" unset:"no limit" desc:"Send at most this many invoices."`
	RunCanary     Count         `envconfig:"RUN_CANARY" unset:"5 under new settings" desc:"Send this many untried invoices first, from all over the book, and the rest once one of them was accepted; if none was, stop with exit code 4. By default the first run does so, and each run whose settings have changed what is sent, where to, what replies mean or what is pending. 0: never."`
	RunMaxPending MostPending   `envconfig:"RUN_MAX_PENDING" unset:"no limit" desc:"Refuse (exit code 5, nothing is sent) if this run could send more than this: 5000; or 3x, three times the median of the last ten Jobs (without JOB_NAME: runs) that sent anything, of what could be sent as they began. batch run --max-pending lets one run send more."`
	Linger        time.Duration `envconfig:"LINGER" unset:"BILLING_TIMEOUT + BILLING_LOOKUP_AFTER + 30s" min:"0s" max:"8760h" desc:"Once the scan is done: how long to wait for invoices that others hold or that are due for another attempt. A dead runner's are finished in this time."`
	DrainTimeout  time.Duration `envconfig:"DRAIN_TIMEOUT" default:"35s" min:"0s" max:"8760h" desc:"After SIGTERM: how long requests in flight may take. Below BILLING_TIMEOUT it leaves invoices in doubt. The run ends ten seconds later at the latest, whatever it waits for: keep the pod's terminationGracePeriodSeconds above that."`
	ClaimSize     int           `envconfig:"CLAIM_SIZE" default:"500" min:"1" max:"10000" desc:"Invoices in one claim."`
	Concurrency   int           `envconfig:"CONCURRENCY" default:"64" min:"1" max:"10000" desc:"Requests in flight."`
	LedgerSchema  string        `envconfig:"LEDGER_SCHEMA" default:"billonce" desc:"The schema of Billonce's own tables. Another book of invoices in the same database takes another schema."`
	LockNamespace string        `envconfig:"LOCK_NAMESPACE" unset:"the lock key of an integer id is the id itself" desc:"Set it where another application uses the same advisory lock keys: an invoice's key is then a 64-bit hash of the namespace and its id. All runners must agree."`

	InvoicesTable    string `envconfig:"INVOICES_TABLE" decides:"true" group:"The invoices" default:"invoices" desc:"The table or updatable view of invoices, written as in SQL: billing.\"Invoice\""`
	InvoicesID       string `envconfig:"INVOICES_ID" decides:"true" default:"id" desc:"Its key column: bigint, integer, uuid or text."`
	InvoicesPending  string `envconfig:"INVOICES_PENDING" decides:"true" default:"pending" desc:"SQL predicate: which invoices are to be sent."`
	InvoicesMarkSent string `envconfig:"INVOICES_MARK_SENT" default:"pending = false, sent_at = now()" desc:"SQL assignments: what marks an invoice sent. {reply.id} is the value of id in the API's reply (JSON), as text: stripe_id = {reply.id}; {reply.data.0.id} leads deeper, {reply.number}::integer is another type. It is null if the reply has no such value."`
	InvoicesOnePer   string `envconfig:"INVOICES_ONE_PER" unset:"all at once" desc:"A column: at most one request is in flight for each of its values, by key within a value (NULL is no value). An index on (the column, the key) keeps that cheap. All runners must agree."`

	InvoicesAmount   string `envconfig:"INVOICES_AMOUNT" unset:"recognised where sums are shown" desc:"The column with the amount, a number: in the currency's unit or, if its name ends in _cents or _minor, in the smallest unit. The ledger keeps it with the delivery, in the unit."`
	InvoicesCurrency string `envconfig:"INVOICES_CURRENCY" unset:"recognised where sums are shown" desc:"The column with its currency, as in ISO 4217: EUR. The ledger keeps it, too."`

	InvoicesShow string `envconfig:"INVOICES_SHOW" unset:"what fits" desc:"The columns that people are shown beside an invoice's key wherever they decide, comma-separated or one a line: customer, due_date. By default the table's first few that are short, and none that a secret header is made from or that is named like a secret."`
	InvoicesLink string `envconfig:"INVOICES_LINK" unset:"none" desc:"Where people find an invoice in the provider's books: https://dashboard.example/invoices/{reply_id}. {column}, {reply_id} (the id of BILLING_REPLY_ID) and {idempotency_key} are filled in."`

	BillingURL               string        `envconfig:"BILLING_URL" decides:"true" group:"The billing API" needed:"billing" form:"template" desc:"Where each invoice is sent, by http or https. {column} is filled from its row: https://billing.example/v1/invoices/{id}/send"`
	BillingMethod            string        `envconfig:"BILLING_METHOD" decides:"true" default:"POST" desc:"HTTP method of that request: POST, PUT, PATCH or DELETE."`
	BillingToken             string        `envconfig:"BILLING_TOKEN" secret:"true" unset:"none" desc:"Bearer token."`
	BillingBasicAuth         string        `envconfig:"BILLING_BASIC_AUTH" secret:"true" unset:"none" desc:"Basic authentication instead: user:password"`
	BillingOAuthTokenURL     string        `envconfig:"BILLING_OAUTH_TOKEN_URL" form:"url" unset:"none" desc:"Get a bearer token here instead, by OAuth 2.0 client credentials, and another one before it expires or when the API answers 401. BILLING_TLS_… hold for it, too."`
	BillingOAuthClientID     string        `envconfig:"BILLING_OAUTH_CLIENT_ID" unset:"none" desc:"The client's id."`
	BillingOAuthClientSecret string        `envconfig:"BILLING_OAUTH_CLIENT_SECRET" secret:"true" unset:"none" desc:"Its secret."`
	BillingOAuthScope        string        `envconfig:"BILLING_OAUTH_SCOPE" unset:"the server's own" desc:"The scopes to ask for, with spaces between them."`
	BillingTLSCert           string        `envconfig:"BILLING_TLS_CERT" secret:"true" unset:"none" desc:"Client certificate for mutual TLS, in PEM, with BILLING_TLS_KEY."`
	BillingTLSKey            string        `envconfig:"BILLING_TLS_KEY" secret:"true" unset:"none" desc:"Its private key, in PEM."`
	BillingTLSCA             string        `envconfig:"BILLING_TLS_CA" secret:"true" unset:"those that the system trusts" desc:"Trust this authority alone, for an API with a private one: its certificates, in PEM."`
	BillingSigningSecret     string        `envconfig:"BILLING_SIGNING_SECRET" secret:"true" unset:"none" desc:"Sign each request with HMAC-SHA256 as Standard Webhooks has it (the headers webhook-id, webhook-timestamp and webhook-signature): whsec_ and the base64 of 24 to 64 bytes, for example \"whsec_$(openssl rand -base64 32)\""`
	BillingHeaders           string        `envconfig:"BILLING_HEADERS" decides:"true" secret:"true" unset:"none" desc:"Further headers, Name: value, one a line or comma-separated. {column} and {idempotency_key} are filled in as in BILLING_URL. Within a value, write \\, for a comma and \\{ for a brace. Idempotency-Key is not among them: see BILLING_IDEMPOTENT."`
	BillingBody              string        `envconfig:"BILLING_BODY" decides:"true" default:"row" desc:"The request's body.\n  row   the invoice's row as JSON\n  none  no body\n  else  a Go text/template over the row, with the functions\n          json      a value as JSON: {\"to\": {{json .customer}}}\n          urlquery  a value for a form: customer={{urlquery .customer}}\n          cents     an amount in cents: {{cents .amount}}\n          minor     in the smallest unit: {{minor .amount .currency}}\n          date      {{.due_on | date \"2006-01-02\" \"UTC\"}}\n          idempotency_key, idempotency_key_hex: the key (32 characters)\nA form needs BILLING_HEADERS='Content-Type: application/x-www-form-urlencoded'"`
	BillingIdempotent        bool          `envconfig:"BILLING_IDEMPOTENT" decides:"true" default:"false" desc:"true: the API honours idempotency keys. The key goes in the header Idempotency-Key, and wherever {idempotency_key} is written, or {idempotency_key_hex} (32 characters). Only then is a request of unknown outcome sent again. If the API does not, customers are billed twice."`
	BillingIdempotencyTTL    time.Duration `envconfig:"BILLING_IDEMPOTENCY_TTL" default:"24h" min:"1ms" max:"87600h" desc:"How long the API remembers a key."`
	BillingOutcomes          string        `envconfig:"BILLING_OUTCOMES" decides:"true" unset:"what the status says" desc:"What replies mean: rules, one a line; the first that matches decides. STATUS -> OUTCOME, or STATUS if CONDITION -> OUTCOME.\n  STATUS     409, 4xx or 200-299\n  CONDITION  in CEL, over body (its JSON), text and header\n  OUTCOME    accepted, submitted, refused, throttled, not_sent or unknown\n             202 -> submitted: the look-up says later what came of it\nWhere a condition names a 2xx, that status no longer means accepted by itself: 200 if body.status == \"sent\" -> accepted"`
	BillingReplyID           string        `envconfig:"BILLING_REPLY_ID" decides:"true" unset:"none is kept" desc:"Path to the id that an accepted reply gives the invoice, for example id or data.0.id: the ledger keeps it, and batch history shows it."`
	BillingLookupURL         string        `envconfig:"BILLING_LOOKUP_URL" decides:"true" form:"template" unset:"unknown outcomes wait for a person" desc:"Asked by GET about an unknown outcome: 200 means that the API has acted, 404 that it has not. It needs {column}, as in BILLING_URL, or {reply_id}, the id of BILLING_REPLY_ID; with {reply_id} it decides only what is submitted, not what is in doubt. Each run tests it before it believes it: it must not say that the API has acted on an invoice that was never sent, and must say so of one that the API has accepted."`
	BillingLookupOutcomes    string        `envconfig:"BILLING_LOOKUP_OUTCOMES" decides:"true" unset:"200 -> acted, 404 -> absent" desc:"What a look-up's replies mean: rules as in BILLING_OUTCOMES, with the outcomes acted, submitted, absent, refused and unknown. A search: 200 if body.data == [] -> absent"`
	BillingLookupAfter       time.Duration `envconfig:"BILLING_LOOKUP_AFTER" default:"30s" min:"0s" max:"8760h" desc:"How long past its deadline a request may still arrive, held by the kernel or a proxy. What is in doubt is not looked up before that, and no person can decide about it."`
	BillingSubmittedFor      time.Duration `envconfig:"BILLING_SUBMITTED_FOR" default:"72h" min:"1s" max:"8760h" desc:"How long the API may take, after a 202 (submitted in BILLING_OUTCOMES), to say whether it has acted; after that the delivery is in doubt."`
	BillingTimeout           time.Duration `envconfig:"BILLING_TIMEOUT" default:"30s" min:"1ms" max:"8760h" desc:"Hard deadline of one request."`
	BillingMaxAttempts       int           `envconfig:"BILLING_MAX_ATTEMPTS" default:"5" min:"1" max:"10000" desc:"Attempts for one invoice in one run."`
	BillingRate              Rate          `envconfig:"BILLING_RATE" unset:"no limit" desc:"Requests at most, of the whole run: 25 a second, 60/m or 5000/h. The runners of one ledger that have something to send divide it; with RUN_LOCK=off each has all of it. 0: no limit."`
	BillingBreaker           int           `envconfig:"BILLING_BREAKER" default:"20" min:"1" desc:"Stop the run after so many consecutive outcomes that were neither accepted nor refused, or after so many refusals that are not about one invoice: 403, 404, 405, 406, 410 and 415 with nothing accepted in between, or one status while nothing was accepted at all. Only invoices that no earlier run has tried count."`

	ServeAddr           string `envconfig:"SERVE_ADDR" group:"The page" default:"127.0.0.1:8321" form:"address" desc:"Where batch serve listens. Off loopback it needs SERVE_USERS_FILE or SERVE_PROXY_HEADER."`
	ServeUsersFile      string `envconfig:"SERVE_USERS_FILE" unset:"no passwords" desc:"A file with the readers' names and passwords, as htpasswd -B writes it. Off loopback it needs TLS, or SERVE_TRUSTED_PROXIES."`
	ServeProxyHeader    string `envconfig:"SERVE_PROXY_HEADER" unset:"no authenticating proxy" desc:"The header in which an authenticating proxy names the reader, for example X-Forwarded-User. It needs SERVE_TRUSTED_PROXIES."`
	ServeTrustedProxies string `envconfig:"SERVE_TRUSTED_PROXIES" unset:"none" desc:"Addresses or networks of the proxies that are believed, comma-separated: 10.0.0.7, 10.1.0.0/16"`
	ServeDeciders       string `envconfig:"SERVE_DECIDERS" unset:"nobody" desc:"The names that may decide, comma-separated. They are as SERVE_USERS_FILE or the proxy has them. Everybody else reads."`
	ServeTLSCertFile    string `envconfig:"SERVE_TLS_CERT_FILE" unset:"plain HTTP" desc:"A file with the page's certificate, in PEM, with SERVE_TLS_KEY_FILE."`
	ServeTLSKeyFile     string `envconfig:"SERVE_TLS_KEY_FILE" unset:"plain HTTP" desc:"A file with its private key, in PEM."`

	MetricsAddr    string `envconfig:"METRICS_ADDR" group:"Watching it" form:"address" unset:"none are served" desc:"Serve Prometheus metrics at this address, for example :9090"`
	PushgatewayURL string `envconfig:"PUSHGATEWAY_URL" secret:"true" form:"url" unset:"none are pushed" desc:"Push the metrics to this Prometheus Pushgateway as the run ends, for example http://pushgateway:9091"`
	NotifyURL      string `envconfig:"NOTIFY_URL" secret:"true" form:"url" unset:"nobody is told" desc:"Gets one POST as a run ends, if it was refused (exit code 5) or something is open that nobody was told of; and one when nothing is open any more. If the answer is not 2xx, the next run tells it again. It gets only numbers, nothing of a row."`
	NotifyBody     string `envconfig:"NOTIFY_BODY" secret:"true" unset:"JSON with all names" desc:"What is sent there: a Go text/template with the functions json and urlquery over .event (refused, open or nothing_open), .text, .run_name, .run_id, .job, .exit_code, .at and the numbers .open, .in_doubt, .unmarked, .failed, .pending_again, .set_aside and .retry. JSON and forms get their Content-Type, all else is text.\n  {\"text\": {{json .text}}}"`
	PingURL        string `envconfig:"PING_URL" secret:"true" form:"url" unset:"nothing is pinged" desc:"A dead man's switch in the style of healthchecks.io, told by POST: PING_URL/start once the run holds its run lock, PING_URL as it ends with exit code 0, PING_URL/fail with the summary on 1, 2, 3 and 5. Nothing on 4, and where the run did nothing: another one holds the run lock, or the book is paused."`
	PodName        string `envconfig:"POD_NAME" unset:"the host's name and the process's number" desc:"The runner's name in locks, ledger and logs. The manifests set this one and the next two."`
	NodeName       string `envconfig:"NODE_NAME" unset:"none" desc:"The node that the pod is on."`
	JobName        string `envconfig:"JOB_NAME" unset:"none" desc:"The Job that the pod belongs to."`
	LogLevel       string `envconfig:"LOG_LEVEL" default:"info" anycase:"true" oneof:"trace debug info warn error" alias:"warning=warn" desc:"trace, debug, info, warn or error."`
	LogFormat      string `envconfig:"LOG_FORMAT" default:"auto" anycase:"true" oneof:"auto json console" desc:"json, console, or auto: console on a terminal, else json."`

	// BillingFromFiles says that one of BILLING_…'s secrets comes from a file.
	BillingFromFiles bool

	unknown []string // warnings about names that are close to one of ours
}

// LedgerSchema is the default of LEDGER_SCHEMA.
const LedgerSchema = "billonce"

// Embedded is the DATABASE_URL that stands for a private server.
const Embedded = "embedded"

// lingerBeyond is how much longer than for a look-up a run lingers.
const lingerBeyond = 30 * time.Second

// withFallbacks fills in what is taken from another variable when unset.
func (c Config) withFallbacks(env func(string) (string, bool)) Config {
	if text, _ := env("LINGER"); text == "" {
		c.Linger = c.BillingTimeout + c.BillingLookupAfter + lingerBeyond
	}
	if c.LockDatabaseURL == "" {
		c.LockDatabaseURL = c.DatabaseURL
	}
	return c
}

// Warnings names what is allowed and seldom meant.
func (c Config) Warnings() []string {
	all := c.unknown
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

// Redacted is what a debug log may show: secrets are masked, and of URLs only
// the host is left, since tokens are found in paths and queries too.
func (c Config) Redacted() map[string]string {
	shown := make(map[string]string)
	for _, v := range variables() {
		value := v.valueIn(&c)
		text := fmt.Sprint(value.Interface())
		switch {
		case value.IsZero() && v.def == "" && v.name != "LINGER":
			text = ""
		case v.secret:
			text = "***"
		case v.form == "url", v.form == "template":
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
