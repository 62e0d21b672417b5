package billingfake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config says how the API behaves. The zero value has no idempotency keys, no
// latency and no faults.
type Config struct {
	// Idempotent honours Idempotency-Key: a repeat gets the stored reply, with
	// Idempotent-Replayed: true, and has no effect; the same key with another
	// invoice or body gets 422; one whose first request is still at work, 409.
	Idempotent bool
	// Dialect is how it takes them; any but the zero value implies Idempotent.
	Dialect Dialect
	// KeyTTL is how long after its first request a key is forgotten; 0: never.
	KeyTTL time.Duration
	// Latency is the time that an effect takes. It does not end when the client
	// leaves: no billing API stops half-way because somebody hung up.
	Latency time.Duration
	// Limits turn requests and look-ups away before anything else is done about
	// them, the first one first. Throttling is how the API says so.
	Limits     []Limit
	Throttling Throttling
	// Traits stand between keys and effect, the outermost one first.
	Traits []Trait
	// Tokens says who may ask at all; nil: anybody.
	Tokens *Tokens
	// Lookup answers look-ups; nil: LookupResource.
	Lookup Lookup
	// Body is what a success says; nil: the charge's id and its invoice.
	Body []byte
	// KeepBodies keeps every request's body in its Record, not the hash alone.
	KeepBodies bool

	// Before is called when a request has arrived, before anything is done about
	// it. Not for look-ups.
	Before func(Received)
	// After is called when a request has had its effect, before the reply.
	After func(Received)
	// Fault chooses the fault that a request meets; nil: none.
	Fault func(Received) Fault
	// LookupFault does the same for look-ups, whose Attempt is counted apart.
	// They never have effects, whatever the fault's name promises.
	LookupFault func(Received) Fault
	// Now is the API's clock; nil: time.Now.
	Now func() time.Time
}

// Received is a request as it arrived.
type Received struct {
	Invoice string
	Key     string // the idempotency key, from where the Dialect has it
	Attempt int    // the nth request for this invoice, from 1
	Method  string
	Path    string
	Header  http.Header
	Body    []byte
	At      time.Time
}

// API is the fake billing API, an http.Handler. It is safe for concurrent use.
type API struct {
	config   Config
	ledger   ledger
	jsonType []string // shared by all replies: a header value without allocation
	closing  chan struct{}
	close    sync.Once
}

// New returns an API with an empty ledger.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Lookup == nil {
		c.Lookup = LookupResource
	}
	c.Idempotent = c.Idempotent || c.Dialect != Dialect{}
	a := &API{config: c, jsonType: []string{"application/json"}, closing: make(chan struct{})}
	a.ledger.reset()
	return a
}

// Close ends every wait: hanging requests are cut, latencies are over (their
// effects happen), drips stop. The API goes on answering, and the ledger stays.
// Call it before httptest's Server.Close, which waits for handlers.
func (a *API) Close() {
	a.close.Do(func() { close(a.closing) })
}

// Idle waits until no request is in flight. After it, what had arrived before
// has had its effects.
func (a *API) Idle(ctx context.Context) error {
	select {
	case <-a.ledger.idle():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the API's requests in flight: %w", context.Cause(ctx))
	}
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchange{api: a, w: w, ctx: r.Context()}
	path := rawPath(r)
	if path == "/ledger" || strings.HasPrefix(path, "/ledger/") {
		x.send(a.serveLedger(r, strings.TrimPrefix(path, "/ledger")))
		return
	}
	body, err := readBody(r)
	switch {
	case errors.Is(err, errTooLarge):
		x.send(failure(http.StatusRequestEntityTooLarge, err.Error()))
		return
	case err != nil:
		a.ledger.count(func(c *Counts) { c.Incomplete++ })
		x.send(failure(http.StatusBadRequest, "the request's body broke off"))
		return
	}
	if t := a.config.Tokens; t != nil {
		if path == tokenPath {
			x.send(t.serve(r, body, a.config.Now()))
			return
		}
		if !t.admits(r, a.config.Now()) {
			x.send(unauthorized())
			return
		}
	}
	if id, found := strings.CutPrefix(path, followedPath); found {
		id = unescape(r, id)
		a.ledger.follow(id)
		x.send(success(id)) // as a real one's: who follows it is fooled
		return
	}
	id := invoiceOf(r, path, body)
	if isLookup(r, path) {
		if x.byKey = r.URL.Query().Get("idempotency_key"); id == "" && x.byKey != "" {
			if id = a.ledger.invoiceOf(x.byKey); id == "" {
				a.ledger.count(func(c *Counts) { c.Lookups++ })
				x.send(a.config.Lookup("", StateNone))
				return
			}
		}
	}
	if id == "" {
		a.ledger.count(func(c *Counts) { c.Unrouted++ })
		x.send(failure(http.StatusNotFound, "no invoice's id in the request"))
		return
	}
	x.in = Received{
		Invoice: id, Key: a.config.Dialect.key(r, body),
		Method: r.Method, Path: r.URL.Path, Header: r.Header, Body: body, At: a.config.Now(),
	}
	if isLookup(r, path) {
		x.lookup = true
		x.in.Attempt = a.ledger.look(id)
		defer x.leave()
		if x.admit() {
			x.meet(a.config.LookupFault)
		}
		return
	}
	x.hash = sha256.Sum256(body)
	x.entry = a.ledger.arrive(&x.in, x.hash, a.config.KeepBodies)
	defer x.leave()
	if a.config.Before != nil {
		a.config.Before(x.in)
	}
	if x.admit() {
		x.meet(a.config.Fault)
	}
}
