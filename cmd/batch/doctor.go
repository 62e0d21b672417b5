package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/doctor"
	"github.com/billonce/billonce/internal/words"
)

type doctorFlags struct {
	json, strict bool
	runners      int
	proveKeys    string // an invoice's id; empty: keys are believed
	yes          bool
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
			if f.yes && f.proveKeys == "" {
				return usage(errors.New("doctor: --yes goes with --prove-keys"))
			}
			if f.proveKeys != "" {
				return a.withDatabase(cmd.Context(), func(ctx context.Context, c settings, d *database) error {
					return a.proveKeys(ctx, c, d, f)
				})
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
	cmd.Flags().StringVar(&f.proveKeys, "prove-keys", "", "for a sandbox: send this invoice's request four times under one idempotency key, and say what the API did; it bills")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "with --prove-keys: don't ask")
	cmd.Flags().IntVar(&f.runners, "runners", 1, "how many runners are to work side by side")
	return cmd
}

// proveKeys tries what BILLING_IDEMPOTENT claims. Nothing is recorded.
func (a app) proveKeys(ctx context.Context, c settings, d *database, f doctorFlags) error {
	client, err := billinghttp.New(c.api)
	if err != nil {
		return usage(err)
	}
	defer client.Close()
	store, err := pgstore.Open(ctx, pgstore.Config{
		Conn: d.main, Book: c.book, RunID: uuid.New(), Strategy: c.LockStrategy, LongestRequest: c.BillingTimeout,
		Row: client.NeedsRow(), Columns: client.Columns(), Log: zerolog.Nop(),
	})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close(context.WithoutCancel(ctx)) }() // it has only read
	seen, err := store.LookAny(ctx, []billing.InvoiceID{billing.InvoiceID(f.proveKeys)})
	switch {
	case err != nil:
		return err
	case len(seen) == 0:
		return usage(fmt.Errorf("doctor --prove-keys: there is no invoice %s", words.OneLine(f.proveKeys)))
	}
	if !f.yes {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return usage(errors.New("doctor --prove-keys: it asks on a terminal before it sends anything, and there is none: add --yes if this is a sandbox"))
		}
		fmt.Fprintf(a.stderr, "This sends invoice %s to the billing API up to four times: at least once it is billed, and a run will bill it again. It is for a sandbox. Type yes: ", words.OneLine(f.proveKeys))
		if err := confirm(ctx, os.Stdin); err != nil {
			return err
		}
	}
	return client.ProveKeys(ctx, a.stdout, seen[0])
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
		Forgets: c.FailoverLosesCommits, Keys: c.BillingIdempotent,
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
		return report.Print(a.stdout, a.colors(a.stdout), a.widthOf(a.stdout))
	}
	return printJSON(a.stdout, report)
}
