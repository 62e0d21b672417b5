package billinghttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp/rules"
	"github.com/billonce/billonce/internal/words"
)

const (
	skimMax  = 4 << 10  // bytes of a body that are looked at for a reason
	drainMax = 64 << 10 // bytes of a body that are read so that the connection can be kept
	// skimTime bounds what follows a status line that says all there is to know:
	// a body that drips must not hold the sender.
	skimTime = 500 * time.Millisecond
)

// judge makes the outcome of a reply: by the user's rules, else by its status.
func (c *Client) judge(ctx context.Context, cancel context.CancelFunc, resp *http.Response, m billing.Request) billing.Reply {
	builtIn := classify(resp.StatusCode, m.Repeat)
	if builtIn.Denied && m.CarriesRowSecret() {
		// The credential is the invoice's own: the other ones' may be good.
		builtIn.Outcome, builtIn.Denied = billing.Refused, false
	}
	seen := rules.Reply{Status: resp.StatusCode, Header: resp.Header}
	read := c.outcomes.NeedsBody(resp.StatusCode)
	if read {
		seen.Body, seen.Unread = c.readBody(ctx, resp)
	}
	ruling := c.outcomes.Judge(ctx, seen)
	reply := ruled(builtIn, ruling)
	if reply.Outcome.IsGood() {
		if reply.Outcome == billing.Submitted {
			reply.RetryAfter = retryAfter(resp.Header, time.Now())
		}
		switch {
		case c.answers.wanted():
			if !read {
				seen.Body, seen.Unread = c.readBody(ctx, resp)
			}
			if seen.Unread != nil {
				seen.Body = nil
			}
			reply.Answer = c.answers.read(seen.Body)
			if c.answers.id != nil && reply.Answer.ID == "" {
				reply.Odd |= billing.OddWithoutID
			}
		case !read:
			seen.Body = skim(resp.Body, cancel, sniffed(resp.Header))
		}
		if c.wantsJSON && isHTML(resp.Header, seen.Body) {
			reply.Odd |= billing.OddHTML
		}
		return reply
	}
	switch reply.Outcome {
	case billing.Throttled:
		reply.RetryAfter = askedToWait(resp.Header, time.Now())
	case billing.NotSent, billing.Unknown:
		reply.RetryAfter = retryAfter(resp.Header, time.Now())
	case billing.Accepted, billing.Submitted, billing.Refused:
	}
	if !read {
		seen.Body = skim(resp.Body, cancel, skimMax)
	}
	reply.Reason = c.statusText(resp)
	if ruling.Reason != "" {
		reply.Reason += ", BILLING_OUTCOMES: " + ruling.Reason
	}
	if said := c.redactorOf(m).clean(string(seen.Body[:min(len(seen.Body), skimMax)])); said != "" {
		reply.Reason += ": " + said
	}
	return reply
}

// isHTML says that a reply's body is a page: a gateway's, or a log-in's.
func isHTML(h http.Header, body []byte) bool {
	text := h.Get("Content-Type")
	if text == "" {
		text = http.DetectContentType(body)
	}
	kind, _, err := mime.ParseMediaType(text)
	return err == nil && (kind == "text/html" || kind == "application/xhtml+xml")
}

// sniffed is how much of a body is looked at that does not say what it is.
func sniffed(h http.Header) int64 {
	if h.Get("Content-Type") != "" {
		return 0
	}
	return 512 // http.DetectContentType looks at no more
}

// asksForJSON says that requests ask for JSON: by their Accept header, or, where they have
// none, by what they are themselves, or by what is taken from the reply.
func (c *Client) asksForJSON() bool {
	header := c.shown().header
	if accept := header.Get("Accept"); accept != "" {
		return strings.Contains(accept, "json") && !strings.Contains(accept, "html")
	}
	return strings.Contains(header.Get("Content-Type"), "json") || c.answers.wanted()
}

// ruled is a reply as the user's rules have it.
func ruled(builtIn billing.Reply, ruling rules.Ruling) billing.Reply {
	reply := billing.Reply{Status: builtIn.Status}
	switch ruling.Word {
	case "":
		return builtIn
	case rules.Accepted:
		reply.Outcome = billing.Accepted
	case rules.Submitted:
		reply.Outcome = billing.Submitted
	case rules.Refused:
		reply.Outcome = billing.Refused
	case rules.NotSent:
		reply.Outcome = billing.NotSent
	case rules.Throttled:
		reply.Outcome = billing.Throttled
	default:
		reply.Outcome = billing.Unknown
	}
	return reply
}

// readBody reads a body to its end. One that breaks off proves nothing: what is missing
// may deny it.
func (c *Client) readBody(ctx context.Context, resp *http.Response) ([]byte, error) {
	// net/http has taken off the one that it asked for.
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, fmt.Errorf("it is encoded as %s", words.Printable(encoding))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, rules.BodyMost+1))
	switch {
	case err != nil:
		return body, errors.New(c.explain(ctx, err))
	case len(body) > rules.BodyMost:
		return body, fmt.Errorf("it is longer than %d bytes", rules.BodyMost)
	}
	return body, nil
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
			text += " to " + c.redactor().clean((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
		}
	}
	return text
}
