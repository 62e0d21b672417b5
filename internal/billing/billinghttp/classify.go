package billinghttp

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"billonce/internal/billing"
)

// maxRetryAfter bounds what an API can ask for: a run must not wait for a typo.
const maxRetryAfter = 24 * time.Hour

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
		reply.Outcome, reply.Throttled = billing.NotSent, true
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

// retryAfter reads Retry-After: seconds, or a date (RFC 9110, 10.2.3). A date
// is taken relative to the server's own clock where it sent that.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.Atoi(value)
		if err != nil || seconds > int(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	due, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(0, due.Sub(now)), maxRetryAfter)
}
