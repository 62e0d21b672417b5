package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/doctor"
)

func (a app) migrateCommand() *cobra.Command {
	var role, purpose, by string
	var rebind bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Make or upgrade the ledger's tables in LEDGER_SCHEMA",
		Long: `migrate makes or upgrades the ledger's tables in LEDGER_SCHEMA, as their owner.

With --role it also grants that role what ` + "`batch run`" + ` needs, and no more: to read
invoices and to set the columns that INVOICES_MARK_SENT names, and to write the
ledger. With --for serve it is what ` + "`batch serve`" + ` needs: to read, and only where
SERVE_DECIDERS names somebody to decide, too. Say it at each upgrade: new tables need
new grants.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDatabase(cmd.Context(), func(ctx context.Context, c settings, d *database) error {
				if by != "" && !rebind {
					return usage(errors.New("migrate: --by goes with --rebind"))
				}
				work, err := workFor(purpose, c)
				if err != nil {
					return err
				}
				who := ""
				if rebind {
					if who, err = a.decider(by); err != nil {
						return err
					}
				}
				if err := proveSession(ctx, d); err != nil {
					return &exitError{exitCodeOf(err), err}
				}
				m, err := migrate(ctx, c, d, who)
				if err != nil {
					return configurationFault(err)
				}
				if m.NoInvoices {
					fmt.Fprintf(a.stdout, "There is no table %s with a column %s yet: the ledger is for keys of type %s.\n"+
						"If your key has another type, run `batch migrate` again when the table is there.\n",
						c.InvoicesTable, c.InvoicesID, m.KeyType)
				}
				if m.Is != "" {
					fmt.Fprintf(a.stdout, "The ledger in schema %s belonged to %s, and belongs to %s now.\n", m.Schema, m.Was, m.Is)
				}
				switch {
				case m.From != m.To:
					fmt.Fprintf(a.stdout, "Migrated schema %s from version %d to %d (keys of type %s).\n", m.Schema, m.From, m.To, m.KeyType)
				case m.Retyped != "":
					fmt.Fprintf(a.stdout, "Changed the ledger in schema %s from keys of type %s to %s.\n", m.Schema, m.Retyped, m.KeyType)
				default:
					fmt.Fprintf(a.stdout, "Schema %s is up to date (version %d).\n", m.Schema, m.To)
				}
				if m.NotUnique {
					fmt.Fprintf(a.stdout, "Warning: %s.\n%s\n", doctor.NotUnique(c.InvoicesID), doctor.UniqueRemedy(c.book))
				}
				return a.grant(ctx, c, d, role, work)
			})
		},
	}
	cmd.Flags().BoolVar(&rebind, "rebind", false, "the table was renamed: bind the ledger to INVOICES_TABLE and INVOICES_ID")
	cmd.Flags().StringVar(&by, "by", "", "with --rebind: who decides (default: you, where that is known: user@host)")
	cmd.Flags().StringVar(&role, "role", "", "grant the role `NAME` what batch run needs, or what --for names")
	cmd.Flags().StringVar(&purpose, "for", "run", "with --role: what the role is for, run or serve")
	return cmd
}

// migrate binds the ledger to the table that is named, too, where somebody decides that.
func migrate(ctx context.Context, c settings, d *database, rebindBy string) (pgstore.Migrated, error) {
	if rebindBy != "" {
		return pgstore.Rebind(ctx, d.lock, c.book, rebindBy)
	}
	return pgstore.Migrate(ctx, d.lock, c.book)
}

func workFor(purpose string, c settings) (pgstore.Work, error) {
	switch {
	case purpose == "run":
		return pgstore.Running, nil
	case purpose == "serve" && c.ServeDeciders != "":
		return pgstore.Deciding, nil
	case purpose == "serve":
		return pgstore.Showing, nil
	}
	return "", usage(fmt.Errorf("--for %q: write run or serve", purpose))
}

// grant shows the statements whatever becomes of them: the invoices may belong to
// somebody else, who then has to run them.
func (a app) grant(ctx context.Context, c settings, d *database, role string, work pgstore.Work) error {
	if role == "" {
		return nil
	}
	statements, err := pgstore.Grant(ctx, d.main, c.book, role, work)
	if err != nil && len(statements) > 0 {
		return fmt.Errorf("grant role %s its rights: %w; have the owner of the invoices run:\n%s", role, err, strings.Join(statements, "\n"))
	}
	if err != nil {
		return fmt.Errorf("grant role %s its rights: %w", role, configurationFault(err))
	}
	fmt.Fprintln(a.stdout, strings.Join(statements, "\n"))
	return nil
}
