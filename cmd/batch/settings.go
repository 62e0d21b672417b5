package main

import (
	"strings"

	"github.com/billonce/billonce/internal/billing/billinghttp"
	books "github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/fault"
	"github.com/billonce/billonce/internal/notify"
	"github.com/billonce/billonce/internal/web"
)

// settings are what a command is configured by: nothing is wrong with them.
type settings struct {
	config.Config
	book books.Book
	api  billinghttp.Config
	page web.Config
	tell notify.Config
}

// settings reads the environment, and has each edge judge what it knows. All that is
// wrong is one message, and exit code 2.
func (a app) settings(need config.Needs) (settings, error) {
	c, faults := config.Load(a.environ, need)
	s := settings{Config: c}
	var ofBook []fault.Fault
	s.book, ofBook = books.Parse(books.Settings{
		Schema: c.LedgerSchema, Invoices: c.InvoicesTable, ID: c.InvoicesID,
		Pending: c.InvoicesPending, MarkSent: c.InvoicesMarkSent, Namespace: c.LockNamespace,
		Amount: c.InvoicesAmount, Currency: c.InvoicesCurrency, OnePer: c.InvoicesOnePer,
		Show: c.InvoicesShow, Link: c.InvoicesLink,
	})
	if s.RunName == "" && len(ofBook) == 0 {
		s.RunName = runName(c, s.book)
	}
	s.api = billinghttp.Config{
		URL: c.BillingURL, LookupURL: c.BillingLookupURL, Method: c.BillingMethod, Headers: c.BillingHeaders,
		Token: c.BillingToken, BasicAuth: c.BillingBasicAuth,
		OAuth: billinghttp.OAuth{TokenURL: c.BillingOAuthTokenURL, ClientID: c.BillingOAuthClientID, ClientSecret: c.BillingOAuthClientSecret, Scope: c.BillingOAuthScope}, Signing: c.BillingSigningSecret,
		TLSCert: c.BillingTLSCert, TLSKey: c.BillingTLSKey, TLSCA: c.BillingTLSCA, Body: c.BillingBody, Outcomes: c.BillingOutcomes, LookUps: c.BillingLookupOutcomes, Idempotent: c.BillingIdempotent, Timeout: c.BillingTimeout,
		ReplyID: c.BillingReplyID, ReplyValues: s.book.MarkSent.Paths,
		Concurrency: c.Concurrency, UserAgent: "billonce/" + version(),
	}
	if len(s.book.Currency) > 0 {
		s.api.Currency = s.book.Currency[0]
	}
	s.book.Secret = billinghttp.IsSecret(s.api)
	if c.BillingFromFiles {
		s.api.Again = func() (billinghttp.Config, error) {
			again, err := a.settings(need)
			return again.api, err
		}
	}
	checked := s.api
	if need&config.Billing == 0 {
		// A certificate that has expired keeps nobody from looking and deciding.
		checked.TLSCert, checked.TLSKey = "", ""
	}
	var ofPage []fault.Fault
	s.page, ofPage = web.Parse(web.Settings{
		Addr: c.ServeAddr, UsersFile: c.ServeUsersFile, ProxyHeader: c.ServeProxyHeader, TrustedProxies: c.ServeTrustedProxies,
		Deciders: c.ServeDeciders, TLSCertFile: c.ServeTLSCertFile, TLSKeyFile: c.ServeTLSKeyFile,
	})
	var ofTelling []fault.Fault
	s.tell, ofTelling = notify.Parse(notify.Settings{NotifyURL: c.NotifyURL, NotifyBody: c.NotifyBody, PingURL: c.PingURL})
	if err := config.Join(faults, ofBook, ofPage, ofTelling, billinghttp.Check(checked), checkDatabases(c)); err != nil {
		return settings{tell: s.tell}, usage(err)
	}
	return s, nil
}

// runName is the run's name where none is given. Two books of one table have two names: a
// ledger beside the default one lends it its schema's.
func runName(c config.Config, b books.Book) string {
	schema, table := b.Schema[len(b.Schema)-1], b.Invoices[len(b.Invoices)-1]
	if schema == config.LedgerSchema {
		return c.InvoicesTable
	}
	return schema + "." + table
}

// deskBook is the book as people's commands take it.
func (s settings) deskBook() pgstore.DeskBook {
	// By the id in a reply no doubt is looked up: its reply was lost.
	looksUp := s.BillingLookupURL != "" && !strings.Contains(s.BillingLookupURL, "{reply_id}")
	return pgstore.DeskBook{Book: s.book, After: s.BillingLookupAfter, Overdue: s.BillingSubmittedFor, LookUp: looksUp}
}

func checkDatabases(c config.Config) (faults []fault.Fault) {
	if c.DatabaseURL != "" && c.DatabaseURL != config.Embedded {
		faults = pgstore.CheckURL("DATABASE_URL", c.DatabaseURL)
	}
	if lock := c.LockDatabaseURL; lock != "" && lock != config.Embedded && lock != c.DatabaseURL {
		faults = append(faults, pgstore.CheckURL("LOCK_DATABASE_URL", lock)...)
	}
	return faults
}
