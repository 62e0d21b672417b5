package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/words"
)

func (a app) seedCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "seed N | FILE.sql",
		Short: "Add N pending invoices to a demo table, or carry out a file of SQL on `embedded`",
		Long: `seed N adds N pending invoices to a demo table "invoices", and makes it where there
is none. seed FILE.sql carries out the statements of a file on the embedded server
(DATABASE_URL=embedded), all of them or none: for a table of your own to try things
with. It touches no other database: psql is there for those.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if n, err := strconv.ParseInt(args[0], 10, 32); err == nil {
				return a.seedInvoices(cmd.Context(), int(n))
			}
			return a.seedFile(cmd.Context(), args[0])
		},
	}
}

func (a app) seedInvoices(ctx context.Context, n int) error {
	if n < 0 {
		return usage(fmt.Errorf("seed: %d is not a number of invoices; write for example `batch seed 1000`", n))
	}
	return a.withDatabase(ctx, func(ctx context.Context, _ settings, d *database) error {
		if err := pgstore.Seed(ctx, d.main, n); err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "Added %s to the table invoices.\n", words.Plural(n, "pending invoice"))
		return nil
	})
}

func (a app) seedFile(ctx context.Context, name string) error {
	statements, err := os.ReadFile(name)
	if err != nil {
		return usage(fmt.Errorf("seed takes a number of invoices (`batch seed 1000`) or a file of SQL: %w", err))
	}
	return a.withDatabase(ctx, func(ctx context.Context, c settings, d *database) error {
		if c.DatabaseURL != config.Embedded {
			return usage(fmt.Errorf("seed carries out a file on the embedded server alone (DATABASE_URL=embedded); for another database: psql -f %s", name))
		}
		if err := pgstore.SeedFile(ctx, d.main, name, string(statements)); err != nil {
			return configurationFault(err)
		}
		fmt.Fprintf(a.stdout, "Carried out %s.\n", name)
		return nil
	})
}
