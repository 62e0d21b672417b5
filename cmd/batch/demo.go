package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/compare"
	"github.com/billonce/billonce/internal/pgtemp"
)

const (
	demoInvoices = 3
	demoLatency  = time.Second
)

func (a app) demoCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See two servers bill the same invoices twice, and Billonce prevent it",
		Long: `demo shows, in less than a minute and with nothing to configure, what happens
when servers send the same invoices: one alone; two without a lock; two with
SELECT … FOR UPDATE NOWAIT around the call; the same, and one is killed between
the call and the commit; two with Billonce, where one is killed at the same place;
and Billonce on a database that was restored from a backup. The servers are processes, PostgreSQL is a temporary one, and what was
billed is counted by a fake billing API on loopback. Your own database and
billing API are not touched. The exit code is 1 if the counts are not as expected.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the counts as JSON, and nothing else")
	cmd.AddCommand(&cobra.Command{
		Use:    naiveCommand,
		Short:  "A server without a ledger, for demo and compare",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return compare.RunNaive(cmd.Context(), cmd.InOrStdin(), a.stdout)
		},
	})
	return cmd
}

func (a app) demo(ctx context.Context, asJSON bool) error {
	demo := compare.Demo{
		Invoices: demoInvoices, Latency: demoLatency,
		Out: a.stdout, Color: a.colors(a.stdout),
	}
	if asJSON {
		demo.Out = io.Discard
	}
	fmt.Fprintf(demo.Out, "Starting a temporary PostgreSQL and a billing API on loopback …\n")
	var result compare.DemoResult
	err := a.withTemporaryServer(ctx, nil, func(server *pgtemp.Server, program compare.Program) (err error) {
		demo.URL, demo.Program = server.URL(embeddedDatabase), program
		result, err = demo.Run(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if asJSON {
		if err := printJSON(a.stdout, result); err != nil {
			return err
		}
	}
	if !result.AsExpected {
		return &exitError{code: billing.ExitError}
	}
	return nil
}
