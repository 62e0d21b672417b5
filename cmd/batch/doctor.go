package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"billonce/internal/billing"
	"billonce/internal/billing/billinghttp"
	"billonce/internal/doctor"
)

type doctorFlags struct {
	json, strict bool
	runners      int
}

func (a app) doctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the environment: would a run be safe here, and would it be quick?",
		Long: `doctor looks at what a run would rely on, as that run is configured, and says of
each thing whether it is ok, deserves a warning, or would be refused, and what to
set. It makes no request to the billing API but the look-up's, which it tests, and
leaves nothing changed: one pending invoice is marked sent, and that is rolled back.

Exit code 0: no run would be refused; 5: one would be; 1, with --strict: there are
warnings.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.runners < 1 {
				return usage(fmt.Errorf("doctor: --runners is at least 1; see `batch doctor --help`"))
			}
			return a.withDatabase(cmd.Context(), func(ctx context.Context, c settings, d *database) error {
				return a.doctor(ctx, c, d, f)
			})
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "exit code 1 where there are warnings")
	cmd.Flags().IntVar(&f.runners, "runners", 1, "how many runners are to work side by side")
	return cmd
}

func (a app) doctor(ctx context.Context, c settings, d *database, f doctorFlags) error {
	subject := doctor.Subject{
		Main: d.main, Lock: d.lock, OnePath: d.sameServer, Book: c.book, RunLock: c.RunLock, Runners: f.runners,
		ClaimSize: c.ClaimSize, Longest: c.BillingTimeout, BillingURL: c.BillingURL,
	}
	if c.BillingURL != "" {
		client, err := billinghttp.New(c.api)
		if err != nil {
			return usage(err)
		}
		defer client.Close()
		subject.Row, subject.Columns, subject.TLS = client.NeedsRow(), client.Columns(), client.TLS()
		subject.LookUp = doctorsLookUp(c, d, client)
	}
	report := doctor.Examine(ctx, subject)
	if err := a.printReport(report, f); err != nil {
		return err
	}
	switch worst := report.Worst(); {
	case worst == doctor.Refused:
		return &exitError{code: billing.ExitRefused}
	case worst == doctor.Warning && f.strict:
		return &exitError{code: billing.ExitError}
	}
	return nil
}

func (a app) printReport(report doctor.Report, f doctorFlags) error {
	if !f.json {
		return report.Print(a.stdout, a.colors(a.stdout))
	}
	return printJSON(a.stdout, report)
}
