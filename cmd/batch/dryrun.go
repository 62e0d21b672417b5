package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"billonce/internal/billing"
)

// shownAtMost is how many invoices a dry run names.
const shownAtMost = 10

// dryRun shows what a run would do now. It goes the same way as far as the request.
func (e *execution) dryRun(ctx context.Context) (int, error) {
	runner, err := e.newRunner(ctx)
	if err != nil {
		return billing.ExitError, err
	}
	var first *billing.Message
	var ids []string
	var sum amounts
	total, err := runner.Rehearse(ctx, func(inv billing.Invoice, m billing.Message) {
		if first == nil {
			first = &m
		}
		if len(ids) < shownAtMost {
			ids = append(ids, string(inv.ID))
		}
		sum.add(inv.Row)
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return billing.ExitStopped, errors.New("stopped; nothing was sent")
	case err != nil:
		return exitCodeOf(err), err
	}
	var b strings.Builder
	printRehearsal(&b, total, ids, sum.String())
	if first != nil {
		request, err := e.client.Describe(ctx, *first)
		if err != nil {
			return billing.ExitError, err
		}
		fmt.Fprintf(&b, "\nThe request of invoice %s:\n\n%s", oneLine(string(first.InvoiceID)), request)
	}
	b.WriteString("\n")
	if err := e.client.PrintMeanings(&b); err != nil {
		return billing.ExitError, err
	}
	_, err = io.WriteString(e.stdout, b.String())
	return billing.ExitDone, err
}

func printRehearsal(out io.Writer, total billing.Rehearsal, ids []string, sum string) {
	fmt.Fprintln(out, "Dry run: nothing was locked, recorded or sent.")
	names := oneLine(strings.Join(ids, ", "))
	if total.Requests > len(ids) {
		names += ", …"
	}
	fmt.Fprintf(out, "%s would be sent", plural(total.Requests, "invoice"))
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
		{int(total.Unrendered), "without a request: see the warnings"},
		{total.Left.Held, "under way, or left by a runner that died"},
		{total.Left.Waiting, "due for another attempt later"},
		{total.Earlier.Failed, "failed before (see `batch status`)"},
		{total.Earlier.InDoubt, "in doubt (see `batch status --in-doubt`)"},
		{total.Earlier.Cancelled, "kept back: cancelled by a person"},
		{total.Earlier.Sent, "pending again though sent: not sent twice"},
	} {
		if left.n > 0 {
			fmt.Fprintf(out, "  not among them: %s %s\n", count(int64(left.n)), left.what)
		}
	}
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return count(int64(n)) + " " + what
}
