package main

import (
	"errors"
	"io/fs"
	"math"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/template/parse"

	"github.com/jackc/pgx/v5"
)

// check reports what a type, a bound or an enumeration cannot express. It
// quotes no value, and takes empty fields for unset or already reported.
func (c config) check(report func(name, problem string)) {
	c.checkDatabase(report)
	c.checkRequest(report)
	c.checkHeaders(report)

	for name, text := range map[string]string{
		"INVOICES_TABLE": c.InvoicesTable, "INVOICES_ID": c.InvoicesID,
		"INVOICES_PENDING": c.InvoicesPending, "INVOICES_MARK_SENT": c.InvoicesMarkSent,
		"LEDGER_SCHEMA": c.LedgerSchema,
	} {
		if text != "" && strings.TrimSpace(text) == "" {
			report(name, "is blank")
		}
	}
	if len(c.LedgerSchema) > 63 {
		report("LEDGER_SCHEMA", "is longer than the 63 bytes that PostgreSQL allows a name")
	}
	if c.MetricsAddr != "" && !isListenAddress(c.MetricsAddr) {
		report("METRICS_ADDR", "is not an address to listen at; write for example :9090")
	}
	if c.PushgatewayURL != "" && parseHTTPURL(c.PushgatewayURL) == nil {
		report("PUSHGATEWAY_URL", notURL+"http://pushgateway:9091")
	}
}

func (c config) checkDatabase(report func(name, problem string)) {
	checkConnString("DATABASE_URL", c.DatabaseURL, report)
	checkConnString("LOCK_DATABASE_URL", c.LockDatabaseURL, report)
	// A run lock on another server than the invoices' excludes nobody.
	if c.DatabaseURL != "" && c.LockDatabaseURL != "" &&
		(c.DatabaseURL == embedded) != (c.LockDatabaseURL == embedded) {
		report("LOCK_DATABASE_URL", "names another server than DATABASE_URL, one of which is embedded; unset it")
	}
}

// checkConnString says no more than it must: pgx masks passwords in its errors
// only as far as it recognises them.
func checkConnString(name, text string, report func(name, problem string)) {
	if text == "" || text == embedded {
		return
	}
	_, err := pgx.ParseConfig(text)
	pathErr, unreadable := errors.AsType[*fs.PathError](err)
	switch {
	case err == nil:
	case unreadable:
		report(name, "names a file (certificate, key, password or service) that cannot be read: "+pathErr.Err.Error())
	default:
		report(name, "is not a PostgreSQL connection string; write for example postgres://user@host:5432/database, or embedded to try things out")
	}
}

const notURL = "is not an absolute http or https URL; write for example "

func (c config) checkRequest(report func(name, problem string)) {
	if c.BillingURL != "" {
		checkURLTemplate("BILLING_URL", c.BillingURL, report)
	}
	if c.BillingLookupURL != "" {
		checkURLTemplate("BILLING_LOOKUP_URL", c.BillingLookupURL, report)
		if !strings.Contains(c.BillingLookupURL, "{") {
			// One 200 would mark every invoice sent.
			report("BILLING_LOOKUP_URL", "has no {column}: it would ask the same about every invoice")
		}
	}
	switch {
	case c.BillingMethod == "":
	case !isToken(c.BillingMethod):
		report("BILLING_METHOD", "is not an HTTP method; write for example POST")
	case c.BillingMethod != strings.ToUpper(c.BillingMethod):
		report("BILLING_METHOD", "is not in capitals; HTTP methods are case-sensitive")
	}
	if math.IsNaN(c.BillingRate) || math.IsInf(c.BillingRate, 0) || c.BillingRate < 0 {
		report("BILLING_RATE", "is not a number of requests a second")
	}
	checkBody(c.BillingBody, report)
}

func checkURLTemplate(name, text string, report func(name, problem string)) {
	const example = "https://billing.example/v1/invoices/{id}/send"
	u := parseHTTPURL(text)
	outside := regexp.MustCompile(`\{[^{}]+\}`).ReplaceAllString(text, "")
	switch {
	case u == nil:
		report(name, notURL+example)
	case u.Fragment != "":
		report(name, "has a fragment (#…), which is never sent")
	case strings.ContainsAny(outside, "{}"):
		report(name, "has a brace that belongs to no {column}; write for example "+example)
	}
}

// parseHTTPURL returns nil instead of an error: net/url's errors quote parts of
// the URL, and a token may be among them.
func parseHTTPURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return u
}

func checkBody(text string, report func(name, problem string)) {
	if text == "" || text == "row" || text == "none" {
		return
	}
	if isToken(text) {
		// A misspelt word is a valid template: it would be every request's body.
		report("BILLING_BODY", "is neither row nor none nor a template")
		return
	}
	// Only the syntax is judged: which functions there are is the sender's matter.
	tree := parse.New("body")
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(text, "", "", make(map[string]*parse.Tree)); err != nil {
		report("BILLING_BODY", "is not a Go text/template; look for an unclosed {{ or a stray }}")
	}
}

func (c config) checkHeaders(report func(name, problem string)) {
	if !isHeaderValue(c.BillingToken) || strings.ContainsAny(c.BillingToken, " \t") {
		report("BILLING_TOKEN", "has white space or a control character in it")
	}
	for name := range c.BillingHeaders {
		switch http.CanonicalHeaderKey(name) {
		case "Idempotency-Key":
			report("BILLING_HEADERS", "sets Idempotency-Key, which must differ for each invoice; set BILLING_IDEMPOTENT=true instead")
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer":
			report("BILLING_HEADERS", "sets a header that belongs to the HTTP client: Host, Content-Length, Transfer-Encoding, Connection or Trailer")
		case "Authorization":
			if c.BillingToken != "" {
				report("BILLING_HEADERS", "sets Authorization beside BILLING_TOKEN; unset one of them")
			}
		}
	}
}

func isListenAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}
