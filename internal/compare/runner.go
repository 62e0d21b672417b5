package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/billonce/billonce/internal/compare/report"
)

// runner says what one process is to be.
type runner struct {
	name     string
	number   int // from 1; 0: it does not know that there are others
	strategy string
	claim    int  // CLAIM_SIZE
	senders  int  // requests in flight
	skip     bool // without a ledger: a locked invoice is no error
	keys     bool // the API honours them
	timeout  time.Duration
}

func runnerName(number int) string { return fmt.Sprintf("runner %d", number) }

// isNaive says that a strategy is that of a program without a ledger.
func isNaive(strategy string) bool { return strategy == report.None || strategy == report.NoWait }

func (t *testbed) process(r runner, billingURL string) (process, error) {
	url := t.urlFor(strconv.Itoa(r.number))
	if isNaive(r.strategy) {
		text, err := json.Marshal(orders{
			Lock: r.strategy == report.NoWait, Skip: r.skip, Senders: r.senders,
			Server: r.name, Invoices: t.table("invoices"), DatabaseURL: url, BillingURL: billingURL,
		})
		return process{name: r.name, args: t.program.Naive, stdin: bytes.NewReader(text), environment: t.environment}, err
	}
	environment := []string{
		"HOSTNAME=" + r.name, "DATABASE_URL=" + url, "BILLING_URL=" + billingURL, "BILLING_HEADERS=" + serverHeader + ": " + r.name,
		"RUN_LOCK=shared", "RUN_NAME=" + t.schema, "LOCK_STRATEGY=" + r.strategy,
		// Keys of our own: another application of this database may lock the same ids.
		"LOCK_NAMESPACE=" + t.schema, "LEDGER_SCHEMA=" + t.schema,
		"INVOICES_TABLE=" + t.table("invoices"), "INVOICES_MARK_SENT=" + markSent,
		"BILLING_IDEMPOTENT=" + strconv.FormatBool(r.keys), "BILLING_TIMEOUT=" + r.timeout.String(),
		"RUN_CANARY=0", // all at once, as the other strategies do
		"CLAIM_SIZE=" + strconv.Itoa(r.claim), "CONCURRENCY=" + strconv.Itoa(r.senders),
		"LOG_LEVEL=warn", "LOG_FORMAT=json",
	}
	if r.number > 0 {
		environment = append(environment, "JOB_COMPLETION_INDEX="+strconv.Itoa(r.number-1))
	}
	return process{name: r.name, args: []string{"run"}, environment: append(environment, t.environment...)}, nil
}

// processes makes several runners that differ in their numbers alone.
func (t *testbed) processes(r runner, n int, billingURL string) ([]process, error) {
	var all []process
	for i := range n {
		r.number, r.name = i+1, runnerName(i+1)
		p, err := t.process(r, billingURL)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}
