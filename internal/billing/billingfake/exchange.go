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
	entry  *entry // nil for what is not counted as in flight
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
		return a.ledger.state(x.in.Invoice)
	}
	keyed := a.config.Idempotent && x.in.Key != ""
	if keyed {
		switch k, found := a.ledger.begin(x, a.config.KeyTTL); {
		case !found:
		case k.invoice != x.in.Invoice || k.hash != x.hash:
			return failure(http.StatusUnprocessableEntity, "this idempotency key came with another request before")
		case k.status == 0:
			return failure(http.StatusConflict, "the first request with this idempotency key is in progress")
		default:
			return replay(k.status, x.in.Invoice)
		}
	}
	a.wait(a.config.Latency)
	a.ledger.effect(x, keyed)
	if a.config.After != nil {
		a.config.After(x.in)
	}
	return success(x.in.Invoice)
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
	if x.entry != nil {
		x.api.ledger.leave(x.entry)
		x.entry = nil
	}
}

// send replies as a sound server does. net/http holds these short replies back
// until the handler has returned, so leave comes first here too.
func (x *exchange) send(r reply) {
	h := x.w.Header()
	for name, values := range r.header {
		h[name] = values
	}
	h["Content-Type"] = x.api.jsonType
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
