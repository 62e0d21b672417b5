package billinghttp

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"text/tabwriter"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp/rules"
)

// Warnings names what is allowed in the settings and seldom meant.
func (c *Client) Warnings() []string {
	var all []string
	for _, w := range c.outcomes.Warnings() {
		all = append(all, "BILLING_OUTCOMES "+w)
	}
	for _, w := range c.findings.Warnings() {
		all = append(all, "BILLING_LOOKUP_OUTCOMES "+w)
	}
	if u, err := url.Parse(c.config.OAuth.TokenURL); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		all = append(all, "BILLING_OAUTH_TOKEN_URL is not https: the client's secret and the tokens can be read on the way")
	}
	return all
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// HasRules says whether the user says what replies mean.
func (c *Client) HasRules() bool { return !c.outcomes.Empty() || !c.findings.Empty() }

// PrintMeanings prints what each status means now, of a request and of a look-up.
func (c *Client) PrintMeanings(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "What replies mean:")
	printTable(w, c.outcomes.Table(builtInWord))
	if c.lookup != nil {
		fmt.Fprintln(w, "\nWhat a look-up's replies mean:")
		printTable(w, c.findings.Table(builtInFinding))
	}
	return w.Flush()
}

func printTable(w io.Writer, table []rules.Row) {
	fmt.Fprintln(w, "  status\tif\toutcome\tsaid by")
	for _, row := range table {
		by := "built in"
		if row.Line > 0 {
			by = fmt.Sprintf("line %d", row.Line)
		}
		condition := row.If
		if condition == "" && row.Status == "" {
			condition = "none of these"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", row.Status, visible(condition), row.Word, by)
	}
}

// builtInWord is what a status means where no rule says otherwise.
func builtInWord(status int) rules.Word {
	switch reply := classify(status, false); {
	case reply.Outcome == billing.Throttled:
		return rules.Throttled
	case reply.Outcome == billing.Accepted:
		return rules.Accepted
	case reply.Outcome == billing.Refused:
		return rules.Refused
	case reply.Outcome == billing.NotSent:
		return rules.NotSent
	}
	return rules.Unknown
}
