package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/words"
)

// shownAtMost is how many invoices a dry run names.
const shownAtMost = 10

// rehearse is what --dry-run has of a run.
func (e *execution) rehearse(ctx context.Context) (int, error) {
	cfg, err := e.engineConfig(ctx)
	if err != nil {
		return billing.ExitError, err
	}
	ports := engine.Ports{Scanner: e.store, Ledger: e.store, Renderer: e.client}
	code, err := dryRun(ctx, e.stdout, e.amounts(), e.client, func(see func(billing.Invoice, billing.Request)) (engine.Rehearsal, error) {
		return engine.Rehearse(ctx, cfg, ports, e.log, see)
	})
	if err != nil || !cfg.HasLookup {
		return code, err
	}
	proven, err := proveLookUp(ctx, e.config, e.client, e.store)
	if err != nil {
		return exitCodeOf(err), err
	}
	return code, proven.print(e.stdout)
}

// amounts adds up what the book's invoices bill.
func (e *execution) amounts() (a desk.Amounts) {
	if b := e.config.book; len(b.Amount) > 0 {
		a.Column = b.Amount[0]
	}
	a.Currency = e.config.api.Currency
	return a
}

// dryRun shows what a run would do now. It goes the same way as far as the request.
func dryRun(ctx context.Context, out io.Writer, sum desk.Amounts, client *billinghttp.Client, rehearse func(see func(billing.Invoice, billing.Request)) (engine.Rehearsal, error)) (int, error) {
	var first *billing.Request
	var ids []string
	total, err := rehearse(func(inv billing.Invoice, r billing.Request) {
		if first == nil {
			first = &r
		}
		if len(ids) < shownAtMost {
			ids = append(ids, string(inv.ID))
		}
		sum.Add(inv.Row)
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return billing.ExitStopped, errors.New("stopped; nothing was sent")
	case err != nil:
		return exitCodeOf(err), err
	}
	var b strings.Builder
	printRehearsal(&b, total, ids, sum.String())
	if client.HasRules() {
		b.WriteString("\n")
		if err := client.PrintMeanings(&b); err != nil {
			return billing.ExitError, err
		}
	}
	if first != nil {
		request, err := client.Describe(ctx, *first)
		if err != nil {
			return billing.ExitError, err
		}
		fmt.Fprintf(&b, "\nThe request of invoice %s:\n\n%s", words.OneLine(string(first.InvoiceID)), request)
	}
	_, err = io.WriteString(out, b.String())
	return billing.ExitDone, err
}

func printRehearsal(out io.Writer, total engine.Rehearsal, ids []string, sum string) {
	fmt.Fprintln(out, "Dry run: nothing was locked, recorded or sent.")
	names := words.OneLine(strings.Join(ids, ", "))
	if total.Requests > len(ids) {
		names += ", …"
	}
	fmt.Fprintf(out, "%s would be sent", words.Plural(total.Requests, "invoice"))
	if names != "" {
		fmt.Fprintf(out, ": %s", names)
	}
	fmt.Fprintln(out)
	if sum != "" {
		fmt.Fprintln(out, sum)
	}
	for _, left := range []struct {
		n    int
		what string
	}{
		{int(total.Unrendered), "whose requests can't be built: see the warnings"},
		{total.Left.Held, "in progress, or left by a runner that died"},
		{total.Left.Waiting, "due for another attempt later"},
		{total.Earlier.Failed, "failed before (see `batch status`)"},
		{total.Earlier.InDoubt, "in doubt (see `batch status --in-doubt`)"},
		{total.Earlier.Cancelled, "cancelled by a person"},
		{total.Earlier.Sent, "pending again though sent: not sent twice"},
	} {
		if left.n > 0 {
			fmt.Fprintf(out, "  not among them: %s %s\n", words.Count(left.n), left.what)
		}
	}
}
