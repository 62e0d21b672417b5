package billinghttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// staleTries bounds how many connections one call goes through that turn out to be
// closed, of which nothing has left on any, or whose server says that it did not process
// the request (HTTP/2).
const staleTries = 3

var errTimeout = errors.New("BILLING_TIMEOUT is over")

// Send makes one attempt: at most one request.
func (c *Client) Send(ctx context.Context, m billing.Request, permit func() error) billing.Reply {
	used, reply := c.try(ctx, m, permit)
	if used == nil {
		return reply
	}
	return c.heed(ctx, used, reply)
}

// try says too which credential the request carried; nil: there was none.
func (c *Client) try(ctx context.Context, m billing.Request, permit func() error) (*credential, billing.Reply) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	used, err := c.credentials.get(ctx)
	if err != nil {
		return nil, billing.Reply{Outcome: billing.NotSent, Reason: "nothing was sent: " + c.explain(ctx, err)}
	}
	for try := 1; ; try++ {
		reply, stale := c.attempt(ctx, cancel, used, m, permit)
		if !stale || try == staleTries || ctx.Err() != nil {
			return used, reply
		}
	}
}

// attempt says too whether it failed only for its connection: a kept one that the server
// had closed before anything was written to it, or one that takes no more requests.
func (c *Client) attempt(ctx context.Context, cancel context.CancelFunc, used *credential, m billing.Request, permit func() error) (_ billing.Reply, stale bool) {
	g := &gate{permit: permit, abort: cancel}
	req, err := c.request(g.trace(ctx), used, m)
	if err != nil {
		return billing.Reply{Outcome: billing.NotSent, Reason: "can't build the request: " + err.Error()}, false
	}
	// Not through http.Client: it adds redirects, cookies and the URL in its
	// errors, of which none is wanted here.
	resp, err := c.transport.RoundTrip(req)
	p := g.seal()
	switch {
	case resp != nil:
		defer resp.Body.Close()
		g.answered()
	case notProcessed(err):
		g.answered()
	default:
		g.reset()
	}
	switch {
	case p.refusal != nil:
		return billing.Reply{Outcome: billing.NotSent, NotAsked: true, Reason: p.refusal.Error()}, false
	case !p.begun:
		if err == nil {
			cancel() // keeps the connection from being used again
			err = errors.New("a reply came before the request")
		}
		return billing.Reply{Outcome: billing.NotSent, Reason: "nothing was sent: " + c.explain(ctx, err)}, p.reused
	case p.again:
		// The first error is net/http's secret: it went on to another connection,
		// where the gate stopped it.
		return billing.Reply{Outcome: billing.Unknown, Reason: "the request had begun, then the connection broke"}, false
	case notProcessed(err):
		return billing.Reply{Outcome: billing.NotSent, Reason: "the server did not process it: " + c.explain(ctx, err)}, true
	case err != nil:
		return billing.Reply{Outcome: billing.Unknown, Reason: "the request had begun, then no reply: " + c.explain(ctx, err)}, false
	}
	return c.judge(ctx, cancel, resp, m), false
}

// request is http.NewRequest without what it would do for a second sending:
// GetBody stays nil, so that net/http can't rewind the body.
func (c *Client) request(ctx context.Context, used *credential, m billing.Request) (*http.Request, error) {
	u, err := parseURL(m.URL)
	if err != nil {
		return nil, err
	}
	header := maps.Clone(used.header)
	if m.IdempotencyKey != "" {
		// Bare, as Stripe, Adyen and most others have it; the IETF draft ("Syntax") wants
		// quotes, which those would take for a part of the key.
		header["Idempotency-Key"] = []string{m.IdempotencyKey}
	}
	addMade(header, m.Headers, true)
	if m.TraceParent != "" {
		header["Traceparent"] = []string{m.TraceParent}
	}
	used.signer.sign(header, m, time.Now())
	req := &http.Request{
		Method: c.method, URL: u, Host: c.host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if len(m.Body) > 0 {
		// A bytes.Reader, for which net/http makes one write of header and body.
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(m.Body)), int64(len(m.Body))
	}
	return req.WithContext(ctx), nil
}

// addMade adds the headers that were made for an invoice. What BILLING_HEADERS sets for
// all requests under the same name comes first.
func addMade(header http.Header, made []billing.Header, withKey bool) {
	for _, h := range made {
		if withKey || !h.OfKey {
			header[h.Name] = append(slices.Clip(header[h.Name]), h.Value)
		}
	}
}

// parseURL keeps the URL out of the error: queries hold secrets.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	var ue *url.Error
	if errors.As(err, &ue) {
		return nil, fmt.Errorf("parse its URL: %w", ue.Err)
	}
	return u, err
}

// explain says for people why there is no reply.
func (c *Client) explain(ctx context.Context, err error) string {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeout):
		return fmt.Sprintf("BILLING_TIMEOUT (%s) is over", c.timeout)
	case cause != nil && (errors.Is(err, cause) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return "cancelled: " + c.redactor().clean(cause.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection"
	}
	return c.redactor().clean(strings.TrimPrefix(err.Error(), "net/http: HTTP/1.x transport connection broken: "))
}
