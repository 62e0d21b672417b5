package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing/billinghttp"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/words"
)

// lookUpProof shows people what a run would know of its look-up.
type lookUpProof struct {
	about   string // an invoice; empty: none is untried
	request string // that would ask about it
	seen    string // what the test asked, and what that said
	why     string // it is not believed; empty: it is
}

// proveLookUp tests the look-up as a run does. Nothing is recorded.
func proveLookUp(ctx context.Context, c settings, client *billinghttp.Client, store *pgstore.Store) (p lookUpProof, err error) {
	ledger, err := store.LedgerID(ctx)
	if err != nil {
		return p, fmt.Errorf("read the ledger's identity: %w", err)
	}
	proven, err := engine.ProveLookUp(ctx, engine.Config{
		LedgerID: ledger, Timeout: c.BillingTimeout, Rate: c.BillingRate.PerSecond, LookUpAfter: c.BillingLookupAfter, LookUpBy: client.LookUpSettings(), LookUpByReply: client.LooksUpByReply(),
		Claims: 1, MostClaims: 1, ClaimSize: 1, Concurrency: 1,
	}, engine.Ports{Scanner: store, Ledger: store, Renderer: client, LookUp: client, Tests: store})
	if err != nil {
		return p, err
	}
	p.about, p.why = words.OneLine(string(proven.Request.InvoiceID)), words.OneLine(proven.Why)
	p.seen = cmp.Or(words.OneLine(strings.Join(proven.Seen, "; ")), "there was no invoice to ask about")
	p.request, err = client.DescribeLookUp(ctx, proven.Request)
	return p, err
}

// print is the end of a dry run.
func (p lookUpProof) print(out io.Writer) error {
	var b strings.Builder
	if p.request != "" {
		fmt.Fprintf(&b, "\nThe look-up of invoice %s, should its outcome be unknown:\n\n%s", p.about, p.request)
	}
	fmt.Fprintf(&b, "\nThe look-up's test: %s\n%s\n", p.seen, cmp.Or(p.why, "It is believed."))
	_, err := io.WriteString(out, b.String())
	return err
}

// doctorsLookUp is proveLookUp on a store of its own; nil where there is no look-up.
func doctorsLookUp(c settings, d *database, client *billinghttp.Client) func(context.Context) (seen, why string, err error) {
	if c.BillingLookupURL == "" {
		return nil
	}
	return func(ctx context.Context) (seen, why string, err error) {
		store, err := pgstore.Open(ctx, pgstore.Config{
			Conn: d.main, Book: c.book, RunID: uuid.New(), Strategy: c.LockStrategy, LongestRequest: c.BillingTimeout,
			Row: client.NeedsRow(), Columns: client.Columns(), Log: zerolog.Nop(),
		})
		if err != nil {
			return "", "", err
		}
		p, err := proveLookUp(ctx, c, client, store)
		if line, _, found := strings.Cut(p.request, "\n"); found {
			p.seen = line + ": " + p.seen
		}
		return p.seen, p.why, errors.Join(err, store.Close(ctx))
	}
}
