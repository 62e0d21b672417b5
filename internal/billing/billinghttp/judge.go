package billinghttp

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"billonce/internal/billing"
)

const (
	successMax = 1 << 20  // bytes of a body that BILLING_SUCCESS is matched against
	skimMax    = 4 << 10  // bytes of a body that are looked at for a reason
	drainMax   = 64 << 10 // bytes of a body that are read so that the connection can be kept
	// skimTime bounds what follows a status line that says all there is to know:
	// a body that drips must not hold the sender.
	skimTime = 500 * time.Millisecond
)

// judge makes the outcome of a reply.
func (c *Client) judge(ctx context.Context, cancel context.CancelFunc, resp *http.Response, repeat bool) billing.Reply {
	reply := classify(resp.StatusCode, repeat)
	if reply.Outcome == billing.Accepted {
		return c.judgeAccepted(ctx, cancel, resp, reply)
	}
	if reply.Outcome != billing.Refused {
		reply.RetryAfter = retryAfter(resp.Header, time.Now())
	}
	reply.Reason = c.statusText(resp)
	if said := c.redactor.clean(string(skim(resp.Body, cancel, skimMax))); said != "" {
		reply.Reason += ": " + said
	}
	return reply
}

// judgeAccepted reads what follows a 2xx, as far as it matters.
func (c *Client) judgeAccepted(ctx context.Context, cancel context.CancelFunc, resp *http.Response, reply billing.Reply) billing.Reply {
	if c.success == nil && !c.answers.wanted() {
		skim(resp.Body, cancel, 0)
		return reply
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, successMax+1))
	if c.success != nil {
		if reply.Reason = c.mismatch(ctx, resp, body, err); reply.Reason != "" {
			reply.Outcome = billing.Unknown
			return reply
		}
	}
	if c.answers.wanted() {
		if err != nil || len(body) > successMax {
			body = nil
		}
		reply.Answer = c.answers.read(body)
	}
	return reply
}

// mismatch says why BILLING_SUCCESS does not hold; empty if it does. A body
// that was not read to its end proves nothing: what is missing may deny it.
func (c *Client) mismatch(ctx context.Context, resp *http.Response, body []byte, err error) string {
	switch {
	case err != nil:
		return fmt.Sprintf("HTTP %d, but its body can't be read for BILLING_SUCCESS: %s", resp.StatusCode, c.explain(ctx, err))
	case len(body) > successMax:
		return fmt.Sprintf("HTTP %d, but its body is too long for BILLING_SUCCESS (above %d bytes)", resp.StatusCode, successMax)
	case !c.success.Match(body):
		said := cmp.Or(c.redactor.clean(string(body[:min(len(body), skimMax)])), "it is empty")
		return fmt.Sprintf("HTTP %d, but its body does not match BILLING_SUCCESS: %s", resp.StatusCode, said)
	}
	return ""
}

// skim reads up to keep bytes and drops the rest, as far as that is worth a
// connection.
func skim(body io.ReadCloser, cancel context.CancelFunc, keep int64) []byte {
	if body == http.NoBody {
		return nil
	}
	defer time.AfterFunc(skimTime, cancel).Stop()
	var kept []byte
	if keep > 0 {
		kept, _ = io.ReadAll(io.LimitReader(body, keep)) // what came is what is shown
	}
	_, _ = io.CopyN(io.Discard, body, drainMax) // if it fails, the connection is closed, no more
	return kept
}

func (c *Client) statusText(resp *http.Response) string {
	text := fmt.Sprintf("HTTP %d", resp.StatusCode)
	if name := http.StatusText(resp.StatusCode); name != "" {
		text += " " + name
	}
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		text += ", not followed"
		if u, err := resp.Location(); err == nil {
			text += " to " + c.redactor.clean((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
		}
	}
	return text
}
