package billinghttp

import (
	"context"
	"maps"
	"net/http"

	"billonce/internal/billing"
	"billonce/internal/billing/billinghttp/rules"
)

// LookUp asks the API whether it has acted. It carries no idempotency key: an
// API that replays what it stored under the key would answer for the send.
func (c *Client) LookUp(ctx context.Context, m billing.Request) (billing.Finding, string) {
	if m.LookupURL == "" {
		return billing.UnknownFinding, "BILLING_LOOKUP_URL is not set"
	}
	finding, reason, refused := c.lookUpOnce(ctx, m)
	if refused { // for a credential that has been replaced since
		finding, reason, _ = c.lookUpOnce(ctx, m)
	}
	return finding, reason
}

// lookUpOnce says too whether it was refused for a credential that has been replaced.
func (c *Client) lookUpOnce(parent context.Context, m billing.Request) (_ billing.Finding, _ string, refused bool) {
	ctx, cancel := context.WithTimeoutCause(parent, c.timeout, errTimeout)
	defer cancel()
	used, err := c.credentials.get(ctx)
	if err != nil {
		return billing.UnknownFinding, "no look-up was made: " + c.explain(ctx, err), false
	}
	u, err := parseURL(m.LookupURL)
	if err != nil {
		return billing.UnknownFinding, "no look-up can be made: " + err.Error(), false
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
	resp, err := c.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return billing.UnknownFinding, "the look-up has no reply: " + c.explain(ctx, err), false
	}
	defer resp.Body.Close()
	seen := rules.Reply{Status: resp.StatusCode, Header: resp.Header}
	if c.findings.NeedsBody(resp.StatusCode) {
		seen.Body, seen.Unread = c.readBody(ctx, resp)
	} else {
		seen.Body = skim(resp.Body, cancel, skimMax)
	}
	switch {
	case isSuccess(resp.StatusCode):
		used.proven.Store(true)
	case resp.StatusCode == http.StatusUnauthorized:
		if refused, _ = c.credentials.refused(parent, used); refused {
			return billing.UnknownFinding, "", true
		}
	}
	ruling := c.findings.Judge(ctx, seen)
	reason := "the look-up says " + c.statusText(resp)
	if ruling.Reason != "" {
		reason += ", BILLING_LOOKUP_OUTCOMES: " + ruling.Reason
	}
	if said := c.redactor().with(m.Headers).clean(string(seen.Body[:min(len(seen.Body), skimMax)])); said != "" {
		reason += ": " + said
	}
	word := ruling.Word
	if word == "" {
		word = builtInFinding(resp.StatusCode)
	}
	switch word {
	case rules.Acted:
		return billing.Acted, "", false
	case rules.Absent:
		return billing.Absent, "", false
	case rules.Refused:
		return billing.RefusedFinding, reason, false
	}
	return billing.UnknownFinding, reason, false
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
