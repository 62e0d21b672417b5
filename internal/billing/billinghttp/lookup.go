package billinghttp

import (
	"context"
	"maps"
	"net/http"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp/rules"
)

// LookUp asks the API whether it has acted. It carries no idempotency key: an
// API that replays what it stored under the key would answer for the send.
func (c *Client) LookUp(ctx context.Context, m billing.Request) billing.Found {
	if m.LookupURL == "" {
		return billing.Found{Reason: "BILLING_LOOKUP_URL is not set"}
	}
	found, refused := c.lookUpOnce(ctx, m)
	if refused {
		found, _ = c.lookUpOnce(ctx, m)
	}
	return found
}

// lookUpOnce says too whether it was refused for a credential that has been replaced.
func (c *Client) lookUpOnce(parent context.Context, m billing.Request) (_ billing.Found, refused bool) {
	ctx, cancel := context.WithTimeoutCause(parent, c.timeout, errTimeout)
	defer cancel()
	used, err := c.credentials.get(ctx)
	if err != nil {
		return billing.Found{Reason: "no look-up was made: " + c.explain(ctx, err)}, false
	}
	req, err := c.lookUpRequest(ctx, used, m)
	if err != nil {
		return billing.Found{Reason: "no look-up can be made: " + err.Error()}, false
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return billing.Found{Reason: "the look-up has no reply: " + c.explain(ctx, err)}, false
	}
	defer resp.Body.Close()
	seen := rules.Reply{Status: resp.StatusCode, Header: resp.Header}
	if c.findings.NeedsBody(resp.StatusCode) || c.answers.wanted() {
		seen.Body, seen.Unread = c.readBody(ctx, resp)
	} else {
		seen.Body = skim(resp.Body, cancel, skimMax)
	}
	switch {
	case isSuccess(resp.StatusCode):
		used.proven.Store(true)
	case resp.StatusCode == http.StatusUnauthorized:
		refused, _ = c.credentials.refused(parent, used) // the reason is the 401
	}
	ruling := c.findings.Judge(ctx, seen)
	reason := "the look-up says " + c.statusText(resp)
	if ruling.Reason != "" {
		reason += ", BILLING_LOOKUP_OUTCOMES: " + ruling.Reason
	}
	if said := c.redactorOf(m).clean(string(seen.Body[:min(len(seen.Body), skimMax)])); said != "" {
		reason += ": " + said
	}
	if seen.Unread != nil {
		seen.Body = nil
	}
	found := billing.Found{Reason: reason, RetryAfter: retryAfter(resp.Header, time.Now()), Told: ruling.Judged || answersAll(resp.StatusCode), Throttled: resp.StatusCode == http.StatusTooManyRequests && !ruling.Judged}
	word := ruling.Word
	if word == "" {
		word = builtInFinding(resp.StatusCode)
	}
	switch word {
	case rules.Acted:
		found.Finding, found.Told = billing.Acted, true
		if c.answers.wanted() {
			found.Answer = c.answers.read(seen.Body)
		}
	case rules.Submitted:
		found.Finding, found.Told = billing.SubmittedFinding, true
	case rules.Absent:
		found.Finding, found.Told = billing.Absent, true
	case rules.Refused:
		found.Finding, found.Told = billing.RefusedFinding, true
	}
	return found, refused
}

func (c *Client) lookUpRequest(ctx context.Context, used *credential, m billing.Request) (*http.Request, error) {
	u, err := parseURL(m.LookupURL)
	if err != nil {
		return nil, err
	}
	header := used.lookup
	if len(m.Headers) > 0 {
		header = maps.Clone(header)
		addMade(header, m.Headers, false)
	}
	req := &http.Request{
		Method: http.MethodGet, URL: u, Host: c.host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	return req.WithContext(ctx), nil
}

// answersAll says of a status that no look-up's meaning is built in for whether it is an
// answer about what was asked: not about us (401, 403), nor the server's or a proxy's trouble.
func answersAll(status int) bool {
	reply := classify(status, false)
	return reply.Outcome == billing.Refused && status != http.StatusForbidden
}

// builtInFinding is what a look-up's status means where no rule says otherwise.
func builtInFinding(status int) rules.Word {
	switch status {
	case http.StatusOK:
		return rules.Acted
	case http.StatusNotFound:
		return rules.Absent
	}
	return rules.Unknown
}
