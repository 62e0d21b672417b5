// Package billingfake is a fake billing API: a real HTTP server that keeps its
// own ledger of what it was asked and what it did, and so is the judge of tests,
// demos and benchmarks. It honours idempotency keys or not, and misbehaves on
// request.
package billingfake

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config of a fake API. The zero value answers at once, without keys or faults.
type Config struct {
	Idempotent bool          // honours Idempotency-Key
	KeyTTL     time.Duration // forgets a key after this; 0: never
	Latency    time.Duration // that a request takes; its effect happens before, whether or not the client waits
	Before     func(Received)
	Fault      func(Received) Fault // which fault a request meets; nil: none
	Now        func() time.Time     // nil: time.Now
}

// Received is a request as the API got it.
type Received struct {
	Invoice string
	Key     string // Idempotency-Key
	Attempt int    // the how manieth request for this invoice, from 1
	Method  string
	Path    string
	Header  http.Header
	Body    []byte
}

// API is a fake billing API. It implements http.Handler.
type API struct {
	config Config

	mu       sync.Mutex
	records  map[string]*record
	keys     map[string]*keyed
	requests int
	effects  int
	replays  int
	inFlight int
	peak     int
}

// record is what the API knows of one invoice.
type record struct {
	requests, effects int
	keys, bodies      []string // distinct; bodies by their SHA-256
	first, last       time.Time
}

// keyed is a key that the API remembers.
type keyed struct {
	body   [sha256.Size]byte
	status int // 0: in progress
	reply  string
	made   time.Time
}

// New returns a fake API.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &API{config: c, records: map[string]*record{}, keys: map[string]*keyed{}}
}

// invoiceOf finds the invoice in /v1/invoices/{id} and /v1/invoices/{id}/send.
func invoiceOf(path string) (id string, send, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v1/invoices/")
	if !ok || rest == "" {
		return "", false, false
	}
	id, tail, nested := strings.Cut(rest, "/")
	return id, nested && tail == "send", id != "" && (!nested || tail == "send")
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if a.serveLedger(w, req) {
		return
	}
	id, send, ok := invoiceOf(req.URL.Path)
	switch {
	case !ok:
		reply(w, http.StatusNotFound, `{"error":"there is no such path"}`)
	case req.Method == http.MethodGet && !send:
		a.lookUp(w, id)
	default:
		a.charge(w, req, id)
	}
}

func (a *API) lookUp(w http.ResponseWriter, id string) {
	if a.Invoice(id).Effects == 0 {
		reply(w, http.StatusNotFound, `{"error":"no such charge"}`)
		return
	}
	reply(w, http.StatusOK, fmt.Sprintf(`{"id":%q,"state":"sent"}`, id))
}

func (a *API) charge(w http.ResponseWriter, req *http.Request, id string) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the client went away in the middle of its request
	}
	r := Received{
		Invoice: id, Key: req.Header.Get("Idempotency-Key"), Method: req.Method, Path: req.URL.Path,
		Header: req.Header, Body: body,
	}
	r.Attempt = a.arrive(r)
	defer a.leave()
	if a.config.Before != nil {
		a.config.Before(r)
	}
	var fault Fault
	if a.config.Fault != nil {
		fault = a.config.Fault(r)
	}
	status, text, replayed := 0, "", false
	if fault == nil || fault.applies() {
		status, text, replayed = a.apply(r)
	}
	a.wait(req)
	if fault != nil {
		fault.answer(w, req, status, text)
		return
	}
	if replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	reply(w, status, text)
}

func (a *API) wait(req *http.Request) {
	if a.config.Latency <= 0 {
		return
	}
	t := time.NewTimer(a.config.Latency)
	defer t.Stop()
	select {
	case <-t.C:
	case <-req.Context().Done(): // nobody is left to wait for; the effect stands
	}
}

// arrive counts a request and returns its number within its invoice.
func (a *API) arrive(r Received) int {
	hash := fmt.Sprintf("%x", sha256.Sum256(r.Body))
	now := a.config.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	a.inFlight++
	a.peak = max(a.peak, a.inFlight)
	rec := a.records[r.Invoice]
	if rec == nil {
		rec = &record{first: now}
		a.records[r.Invoice] = rec
	}
	rec.requests++
	rec.last = now
	rec.keys = addDistinct(rec.keys, r.Key)
	rec.bodies = addDistinct(rec.bodies, hash)
	return rec.requests
}

func (a *API) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inFlight--
}

// apply has the effect that the request asks for, unless the API remembers its
// key: then the first request's reply is given again (as Stripe does; IETF
// draft-ietf-httpapi-idempotency-key-header, section 2.6).
func (a *API) apply(r Received) (status int, text string, replayed bool) {
	hash := sha256.Sum256(r.Body)
	now := a.config.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.config.Idempotent && r.Key != "" {
		k := a.keys[r.Key]
		if k != nil && (a.config.KeyTTL == 0 || now.Sub(k.made) < a.config.KeyTTL) {
			if k.body != hash {
				return http.StatusUnprocessableEntity, `{"error":"the key was used for another request"}`, false
			}
			a.replays++
			return k.status, k.reply, true
		}
	}
	a.effects++
	a.records[r.Invoice].effects++
	status, text = http.StatusOK, fmt.Sprintf(`{"id":"ch_%s","object":"charge","invoice":%q}`, r.Invoice, r.Invoice)
	if a.config.Idempotent && r.Key != "" {
		a.keys[r.Key] = &keyed{body: hash, status: status, reply: text, made: now}
	}
	return status, text, false
}

func addDistinct(all []string, s string) []string {
	for _, have := range all {
		if have == s {
			return all
		}
	}
	return append(all, s)
}

func reply(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
