package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"billonce/internal/billing/pgstore"
)

func (a app) seedCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "seed N",
		Short: "Add N pending invoices to a demo table `invoices`, made where there is none",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[0], 10, 32)
			if err != nil || n < 0 {
				return usage(fmt.Errorf("seed: %q is not a number of invoices; write for example `batch seed 1000`", args[0]))
			}
			return a.withDatabase(cmd.Context(), func(ctx context.Context, _ settings, d *database) error {
				if err := pgstore.Seed(ctx, d.main, int(n)); err != nil {
					return err
				}
				fmt.Fprintf(a.stdout, "Added %d pending invoices to the table invoices.\n", n)
				return nil
			})
		},
	}
}
