package billinghttp

import (
	"net/http"

	"github.com/billonce/billonce/internal/billing"
)

// clientClosed is nginx's word for a connection that its client closed, and other
// proxies': what lies behind them may have the request.
const clientClosed = 499

// classify says what a status line means, whatever follows it.
func classify(status int, repeat bool) billing.Reply {
	reply := billing.Reply{Status: status}
	switch {
	case status == http.StatusMultiStatus:
		// Of several things, each with a status of its own in the body (RFC 4918, 13).
		reply.Outcome = billing.Unknown
	case status >= 200 && status <= 299:
		reply.Outcome = billing.Accepted
	case status == http.StatusProxyAuthRequired:
		// The proxy's word (RFC 9110, 15.5.8): it has passed nothing on.
		reply.Outcome = billing.NotSent
	case status == http.StatusTooManyRequests:
		reply.Outcome = billing.Throttled
	case status == http.StatusUnprocessableEntity && repeat:
		// The Idempotency-Key draft, "Error Scenarios": the key was used with another payload. So
		// an earlier attempt has arrived, and its effect is not known.
		reply.Outcome, reply.KeyReused = billing.Unknown, true
	case status == http.StatusTemporaryRedirect, status == http.StatusPermanentRedirect:
		// The request as it is belongs to another place (RFC 9110, 15.4.8 and 15.4.9). The
		// other redirects may follow an effect: "created, see there".
		reply.Outcome, reply.Elsewhere = billing.NotSent, true
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly, status == clientClosed:
		// 409: an earlier request with this key is still being worked on (same
		// draft). 408, 425, 499: a server or a proxy gave up at a point that it does not tell.
		reply.Outcome = billing.Unknown
	case status == http.StatusUnauthorized:
		// It is us whom it refuses, whatever the invoice (RFC 9110, 15.5.2).
		reply.Outcome, reply.Denied = billing.NotSent, true
	case status >= 400 && status <= 499:
		reply.Outcome = billing.Refused
	default:
		reply.Outcome = billing.Unknown
	}
	return reply
}
