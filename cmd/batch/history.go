package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
)

func (a app) historyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "history ID",
		Short: "Show every attempt to send one invoice, and every decision about it",
		Long: `history shows every attempt to send one invoice, every decision about it, and which
databases the ledger was made to trust: what one of them had forgotten is not shown.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withDesk(cmd.Context(), func(ctx context.Context, d *pgdesk.Desk) error {
				h, err := d.History(ctx, billing.InvoiceID(args[0]))
				switch {
				case errors.Is(err, desk.ErrID):
					return usage(err)
				case err != nil:
					return err
				case !h.Known():
					return fmt.Errorf("there is no invoice %s: neither INVOICES_TABLE nor the ledger has it", h.InvoiceID)
				case asJSON:
					return printJSON(a.stdout, h)
				}
				return h.Print(a.people(a.stdout))
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
