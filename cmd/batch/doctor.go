package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"billonce/internal/billing"
	"billonce/internal/billing/billinghttp"
	"billonce/internal/config"
	"billonce/internal/doctor"
)

type doctorFlags struct {
	json, strict bool
	runners      int
	reply        string // a file; empty: the environment is examined
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
			if f.reply != "" {
				return a.explainReply(cmd.Context(), f.reply, cmd.InOrStdin())
			}
			return a.withDatabase(cmd.Context(), func(ctx context.Context, c settings, d *database) error {
				return a.doctor(ctx, c, d, f)
			})
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "exit code 1 where there are warnings")
	cmd.Flags().StringVar(&f.reply, "reply", "", "say instead what a reply means, which rule says so, and what would follow: a file as curl -i prints it, - for standard input")
	cmd.Flags().IntVar(&f.runners, "runners", 1, "how many runners are to work side by side")
	return cmd
}

// explainReply says what a reply means that somebody has kept. It needs no database.
func (a app) explainReply(ctx context.Context, file string, stdin io.Reader) error {
	c, err := a.settings(config.Nothing)
	if err != nil {
		return err
	}
	text, err := readReply(file, stdin)
	if err != nil {
		return fmt.Errorf("--reply: read the file: %w", err)
	}
	saved, err := billinghttp.ParseSaved(text)
	if err != nil {
		return usage(fmt.Errorf("--reply %s: %w", file, err))
	}
	c.api.URL = cmp.Or(c.api.URL, "https://billing.example/") // what replies mean does not depend on it
	client, err := billinghttp.New(c.api)
	if err != nil {
		return usage(err)
	}
	defer client.Close()
	return client.ExplainSaved(ctx, a.stdout, saved)
}

// replyMost is far above what rules look at.
const replyMost = 8 << 20

func readReply(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(stdin, replyMost))
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, replyMost))
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
		subject.Row, subject.Columns, subject.Mentions, subject.TLS = client.NeedsRow(), client.Columns(), client.Mentions(), client.TLS()
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
