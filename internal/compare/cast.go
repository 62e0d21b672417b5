package compare

import (
	"fmt"
	"strconv"
	"time"

	"billonce/internal/compare/report"
)

// cast makes a setup's runners.
func (c Comparison) cast(s *stand, setup report.Setup, billingURL string, keys bool) ([]child, error) {
	var children []child
	for i := range setup.Runners {
		r, err := c.runner(s, setup, billingURL, keys, i, runnerName(i))
		if err != nil {
			return nil, err
		}
		children = append(children, r)
	}
	return children, nil
}

func runnerName(i int) string { return fmt.Sprintf("runner %d", i+1) }

func (c Comparison) runner(s *stand, setup report.Setup, billingURL string, keys bool, i int, name string) (child, error) {
	url := s.urlFor(strconv.Itoa(i + 1))
	if setup.Strategy == report.None || setup.Strategy == report.NoWait {
		r, err := c.Program.naive(orders{
			Lock: setup.Strategy == report.NoWait, Skip: true, Workers: c.Concurrency,
			Server: name, Invoices: s.table("invoices"), DatabaseURL: url, BillingURL: billingURL,
		})
		r.environment = c.Environment
		return r, err
	}
	return child{name: name, args: []string{"run"}, environment: append([]string{
		"HOSTNAME=" + name, "JOB_COMPLETION_INDEX=" + strconv.Itoa(i),
		"DATABASE_URL=" + url, "BILLING_URL=" + billingURL, "BILLING_HEADERS=" + serverHeader + ": " + name,
		"RUN_LOCK=shared", "RUN_NAME=" + s.schema, "LOCK_STRATEGY=" + setup.Strategy,
		// Keys of our own: another application of this database may lock the same ids.
		"LOCK_NAMESPACE=" + s.schema, "LEDGER_SCHEMA=" + s.schema,
		"INVOICES_TABLE=" + s.table("invoices"), "INVOICES_MARK_SENT=" + markSent,
		"BILLING_IDEMPOTENT=" + strconv.FormatBool(keys), "BILLING_TIMEOUT=" + c.timeout().String(),
		"CLAIM_SIZE=" + strconv.Itoa(setup.ClaimSize), "CONCURRENCY=" + strconv.Itoa(c.Concurrency),
		"LOG_LEVEL=warn", "LOG_FORMAT=json",
	}, c.Environment...)}, nil
}

// timeout of a request: far above the API's latency, however busy the machine is.
func (c Comparison) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return naiveTimeout
}
