package billingfake

import (
	"context"
	"crypto/sha256"
	"net"
	"net/http"
	"time"
)

// exchange is one request on its way through the API. Faults act on it.
type exchange struct {
	api    *API
	w      http.ResponseWriter
	ctx    context.Context // ends when the client leaves
	in     Received
	hash   [sha256.Size]byte
	lookup bool
	byKey  string // the key that a look-up asks about, if it does
	entry  *entry // nil for what is not counted as in flight
	done   func() // gives back what the limits gave; nil: nothing to give back
	keyed  bool   // the key is this request's: its reply is stored under it
	later  bool   // answered already: what comes now is stored nowhere
	stored int    // the status to be kept under the key, if not the success
}

// meet answers through the fault that was chosen, if any.
func (x *exchange) meet(choose func(Received) Fault) {
	if choose != nil {
		if fault := choose(x.in); fault != nil {
			x.api.ledger.fault(fault.String())
			fault.strike(x)
			return
		}
	}
	x.send(x.apply())
}

// apply does what was asked, at most once for each key, and returns the reply
// that a sound API would send now.
func (x *exchange) apply() reply {
	a := x.api
	if x.lookup {
		return a.config.Lookup(x.in.Invoice, a.ledger.state(x.in.Invoice, x.byKey))
	}
	if !a.config.Idempotent {
		return x.act(0)
	}
	d := a.config.Dialect
	if why := d.check(x.in.Key); why != "" {
		a.ledger.count(func(c *Counts) { c.BadKeys++ })
		return failure(http.StatusBadRequest, why)
	}
	if x.in.Key == "" {
		return x.act(0)
	}
	switch k, found := a.ledger.begin(x, a.config.KeyTTL); {
	case !found:
	case !k.belongsTo(x) && d.Mismatch != http.StatusOK:
		return d.mismatch()
	case k.status == 0:
		return d.inProgress()
	default:
		return a.replay(k)
	}
	x.keyed = true
	r := x.act(0)
	a.ledger.keep(x, r, d.RemembersRefusals)
	return r
}

// act has the nth trait answer, and the ones behind it; behind the last one is
// the effect.
func (x *exchange) act(nth int) reply {
	a := x.api
	if nth < len(a.config.Traits) {
		return a.config.Traits[nth].answer(x, func() reply { return x.act(nth + 1) })
	}
	a.wait(a.config.Latency)
	a.ledger.effect(x)
	if a.config.After != nil {
		a.config.After(x.in)
	}
	return a.success(x.in.Invoice)
}

// wait returns false if the API was closed in the meantime.
func (a *API) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-a.closing:
		return false
	}
}

// leave ends the request's time in flight. It comes before the client can know
// that it is over: else its next request would seem to be one more in flight.
func (x *exchange) leave() {
	if x.done != nil {
		x.done()
		x.done = nil
	}
	if x.entry != nil {
		x.api.ledger.leave(x.entry)
		x.entry = nil
	}
}

// send replies as a sound server does. net/http holds these short replies back
// until the handler has returned, so leave comes first here too.
func (x *exchange) send(r reply) {
	h := x.w.Header()
	h["Content-Type"] = x.api.jsonType
	for name, values := range r.header {
		h[name] = values
	}
	x.w.WriteHeader(r.status)
	_, _ = x.w.Write(r.body) // fails if the client has left: its loss
}

// hijack takes the connection away from net/http.
func (x *exchange) hijack() net.Conn {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		// HTTP/2, or no server at all: ending the stream is the nearest thing.
		panic(http.ErrAbortHandler)
	}
	return conn
}

// hangUp sends raw bytes, if any, and closes the connection in good order (FIN).
func (x *exchange) hangUp(raw []byte) {
	conn := x.hijack()
	defer func() { _ = conn.Close() }()
	x.leave()
	_, _ = conn.Write(raw) // fails if the client has left: its loss
}

// reset closes the connection with a RST.
func (x *exchange) reset() {
	conn := x.hijack()
	x.leave()
	if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = tls.NetConn() // TLS would say goodbye first
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails if the client has reset it already
	}
	_ = conn.Close()
}
