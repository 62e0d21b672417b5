package billinghttp

import (
	"context"
	"net/http"

	"billonce/internal/billing"
)

// LookUp asks the API whether it has acted. It carries no idempotency key: an
// API that replays what it stored under the key would answer for the send.
func (c *Client) LookUp(ctx context.Context, m billing.Request) (billing.Finding, string) {
	if m.LookupURL == "" {
		return billing.UnknownFinding, "BILLING_LOOKUP_URL is not set"
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	u, err := parseURL(m.LookupURL)
	if err != nil {
		return billing.UnknownFinding, "no look-up can be made: " + err.Error()
	}
	req := &http.Request{
		Method: http.MethodGet, URL: u, Host: c.host, Header: c.lookupHeader,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	resp, err := c.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return billing.UnknownFinding, "the look-up has no reply: " + c.explain(ctx, err)
	}
	defer resp.Body.Close()
	said := c.redactor.clean(string(skim(resp.Body, cancel, skimMax)))
	switch resp.StatusCode {
	case http.StatusOK:
		return billing.Acted, ""
	case http.StatusNotFound:
		return billing.Absent, ""
	}
	reason := "the look-up says " + c.statusText(resp)
	if said != "" {
		reason += ": " + said
	}
	return billing.UnknownFinding, reason
}
