package billingfake

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"time"
)

// ledger is what the judge has seen. One mutex, held for well under a
// microsecond a request, keeps all counts consistent with each other.
type ledger struct {
	mu       sync.Mutex
	counts   Counts
	inFlight int
	held     int           // what was answered, and is done later
	quiet    chan struct{} // closed when both come to 0; nil: nobody waits
	faults   map[string]int
	invoices map[string]*entry
	keys     map[string]storedKey
}

// entry is kept for each invoice, so it is small.
type entry struct {
	id                         string
	requests, effects          int32
	lookups, replays, followed int32
	inFlight, overlaps         int32
	firstNano, lastNano        int64
	keys                       []KeyRecord
	state                      State // until there is an effect
	hashes                     [][sha256.Size]byte
	kept                       *[][]byte // only with Config.KeepBodies
}

// storedKey is an idempotency key that was seen. A key belongs to an invoice
// and a body.
type storedKey struct {
	invoice string
	hash    [sha256.Size]byte
	nano    int64  // of its first request
	status  int    // of the stored reply; 0: in progress
	reply   *reply // the stored one, where the status alone does not say it
}

func (k storedKey) belongsTo(x *exchange) bool {
	return k.invoice == x.in.Invoice && k.hash == x.hash
}

func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts = Counts{MaxInFlight: l.inFlight}
	l.faults = map[string]int{}
	l.invoices = map[string]*entry{}
	l.keys = map[string]storedKey{}
}

func (l *ledger) count(add func(*Counts)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	add(&l.counts)
}

func (l *ledger) fault(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults[name]++
}

// of returns the entry of an invoice, a new one if need be. The caller holds mu.
func (l *ledger) of(id string) *entry {
	e := l.invoices[id]
	if e == nil {
		id = strings.Clone(id) // it is cut from the request line, which need not stay
		e = &entry{id: id}
		l.invoices[id] = e
	}
	return e
}

// arrive notes a request and fills in its attempt.
func (l *ledger) arrive(in *Received, hash [sha256.Size]byte, keep bool) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.of(in.Invoice)
	e.lastNano = in.At.UnixNano()
	if e.requests == 0 {
		e.firstNano = e.lastNano
	}
	e.requests++
	in.Attempt = int(e.requests)
	if in.Key != "" {
		e.key(in.Key).Requests++
	}
	if !slices.Contains(e.hashes, hash) {
		e.hashes = append(e.hashes, hash)
	}
	if keep {
		if e.kept == nil {
			e.kept = new([][]byte)
		}
		*e.kept = append(*e.kept, in.Body)
	}
	if e.inFlight > 0 {
		e.overlaps++
	}
	e.inFlight++
	l.inFlight++
	l.counts.Requests++
	l.counts.MaxInFlight = max(l.counts.MaxInFlight, l.inFlight)
	return e
}

// leave takes the entry and not the id: after a reset it must not touch the
// new entry of the same invoice.
func (l *ledger) leave(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.inFlight--
	l.inFlight--
	l.wake()
}

// hold and release enclose what is done after its request was answered.
func (l *ledger) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held++
}

func (l *ledger) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held--
	l.wake()
}

// wake tells those who wait that nothing is left to do. The caller holds mu.
func (l *ledger) wake() {
	if l.inFlight == 0 && l.held == 0 && l.quiet != nil {
		close(l.quiet)
		l.quiet = nil
	}
}

// key returns the record of a key, a new one if need be.
func (e *entry) key(name string) *KeyRecord {
	at := slices.IndexFunc(e.keys, func(k KeyRecord) bool { return k.Key == name })
	if at < 0 {
		at = len(e.keys)
		e.keys = append(e.keys, KeyRecord{Key: strings.Clone(name)})
	}
	return &e.keys[at]
}

// idle returns a channel that is closed once nothing is in flight.
func (l *ledger) idle() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight == 0 && l.held == 0 {
		now := make(chan struct{})
		close(now)
		return now
	}
	if l.quiet == nil {
		l.quiet = make(chan struct{})
	}
	return l.quiet
}

// begin looks a key up. If there is none, or it is forgotten, the key is the
// caller's from now on, in progress until its effect.
func (l *ledger) begin(x *exchange, ttl time.Duration) (_ storedKey, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := x.api.config.Dialect.scoped(&x.in)
	k, found := l.keys[key]
	nano := x.in.At.UnixNano()
	if found && ttl > 0 && k.status != 0 && nano-k.nano >= int64(ttl) {
		found = false
	}
	switch {
	case !found:
		l.keys[key] = storedKey{invoice: l.of(x.in.Invoice).id, hash: x.hash, nano: nano}
	case !k.belongsTo(x):
		l.counts.Mismatches++
	case k.status == 0:
		l.counts.Conflicts++
	default:
		l.counts.Replays++
		l.of(x.in.Invoice).replays++
	}
	return k, found
}

// effect bills the invoice; a key's reply is stored in the same instant.
func (l *ledger) effect(x *exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.of(x.in.Invoice)
	e.effects++
	e.state = StateNone
	l.counts.Effects++
	if x.in.Key != "" {
		e.key(x.in.Key).Effects++
	}
	if !x.keyed || x.later {
		return
	}
	key := x.api.config.Dialect.scoped(&x.in)
	if k, found := l.keys[key]; found { // not after a reset
		k.status = 200
		if x.stored != 0 {
			k.status = x.stored
		}
		l.keys[key] = k
	}
}

// keep stores what a request without an effect was answered, or forgets its key.
func (l *ledger) keep(x *exchange, r reply, refusals bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := x.api.config.Dialect.scoped(&x.in)
	k, found := l.keys[key]
	switch {
	case !found || k.status != 0: // after a reset, or stored with the effect
	case r.status < 400 || refusals:
		k.status, k.reply = r.status, &r
		l.keys[key] = k
	default:
		delete(l.keys, key)
	}
}

// submit notes that the API has taken the request, and acts later.
func (l *ledger) submit(x *exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(x.in.Invoice).state = StateProcessing
	l.counts.Submitted++
}

// reject notes a refusal. A look-up finds it only where there was a 202.
func (l *ledger) reject(x *exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x.later {
		l.of(x.in.Invoice).state = StateRejected
	}
	l.counts.Rejected++
}

func (l *ledger) look(id string) (nth int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.of(id)
	e.lookups++
	l.counts.Lookups++
	return int(e.lookups)
}

func (l *ledger) follow(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(id).followed++
	l.counts.Followed++
}

// state is what became of an invoice; with a key, what became of it under that
// key.
func (l *ledger) state(id, key string) State {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.invoices[id]
	if e == nil {
		return StateNone
	}
	effects := int(e.effects)
	if key != "" {
		at := slices.IndexFunc(e.keys, func(k KeyRecord) bool { return k.Key == key })
		if at < 0 {
			return StateNone
		}
		effects = e.keys[at].Effects
	}
	if effects > 0 {
		return StateSent
	}
	return e.state
}

// invoiceOf finds the invoice that came with a key. It looks at every one: that
// is the look-up's price, and not that of each request.
func (l *ledger) invoiceOf(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.invoices {
		if slices.ContainsFunc(e.keys, func(k KeyRecord) bool { return k.Key == key }) {
			return id
		}
	}
	return ""
}
