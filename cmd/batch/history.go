package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"billonce/internal/billing"
	"billonce/internal/billing/pgstore"
)

func (a app) historyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "history ID",
		Short: "Show every attempt to send one invoice, and every decision about it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, store *pgstore.Store) error {
				h, err := store.History(ctx, billing.InvoiceID(args[0]))
				switch {
				case errors.Is(err, pgstore.ErrID):
					return usage(err)
				case err != nil:
					return err
				case !h.Known():
					return fmt.Errorf("invoice %s is unknown: neither INVOICES_TABLE nor the ledger has it", h.InvoiceID)
				case asJSON:
					return printJSON(a.stdout, h)
				}
				return printHistory(a.stdout, h)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printHistory(out io.Writer, h pgstore.History) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if h.State == "" {
		fmt.Fprintf(w, "Invoice %s (%s): never tried\n", h.InvoiceID, h.Invoice)
		return w.Flush()
	}
	fmt.Fprintf(w, "Invoice %s (%s): %s, key %s", h.InvoiceID, h.Invoice, h.State, h.Key)
	if h.ReplyID != "" {
		fmt.Fprintf(w, ", at the API %s", oneLine(h.ReplyID))
	}
	fmt.Fprintln(w)
	for _, t := range h.Attempts {
		fmt.Fprintf(w, "%s\tattempt %d\t%s\n", begunText(t.BegunAt), t.Attempt, attemptText(t))
		fmt.Fprintf(w, "\t\tby %s, run %s\n", orUnknown(t.Application), t.RunID)
		for _, d := range t.Decisions {
			fmt.Fprintf(w, "%s\tdecision\t%s, was %s: by %s: %s\n", stamp(d.At), d.To, d.From, oneLine(d.By), oneLine(d.Reason))
		}
	}
	return w.Flush()
}

func attemptText(t pgstore.Attempt) string {
	switch {
	case t.Outcome == "":
		return "sending: under way, or its runner died"
	case t.SettledAt == nil:
		return "unknown: its runner died, and another took over"
	}
	text := fmt.Sprintf("%s: %s", t.Outcome, seenText(t.HTTPStatus, t.Error))
	if t.Outcome == billing.NotSent.String() && t.HTTPStatus == 0 && t.Error == "" {
		text = t.Outcome + ": no request was begun"
	}
	if t.BegunAt != nil {
		text += fmt.Sprintf(" (after %s)", t.SettledAt.Sub(*t.BegunAt).Round(time.Millisecond))
	}
	return fmt.Sprintf("%s; %s", text, t.State)
}

func begunText(t *time.Time) string {
	if t == nil {
		return "before the history"
	}
	return stamp(*t)
}

func orUnknown(s string) string {
	if s == "" {
		return "an unknown runner"
	}
	return s
}
