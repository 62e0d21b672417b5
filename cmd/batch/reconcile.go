package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/billonce/billonce/internal/reconcile"
	"github.com/billonce/billonce/internal/words"
)

type reconcileFlags struct {
	columns              string
	acted                []string
	minor                bool
	decimal, zone, dates string
	since, until         string
	resolve, adopt, yes  bool
	by                   string
	csv, json            bool
}

func (a app) reconcileCommand() *cobra.Command {
	var f reconcileFlags
	cmd := &cobra.Command{
		Use:   "reconcile FILE",
		Short: "Compare the ledger with the provider's own list",
		Long: `reconcile compares the ledger with a list that the provider exports: CSV with a
header, or JSON lines; - is standard input. It tells what agrees, what differs, and
which deliveries that are in doubt the list decides. It changes no invoice.

  --columns id=Reference,reply_id=ID,key=Key,amount=Net,currency=Cur,status=State,at=Created
             which of the list's columns has what: id is our key, reply_id the
             API's id, key the idempotency key; one of these is needed
  --resolve  makes sent what is in doubt and stands in the list once, with the same
             amount and currency where both name them
  --adopt    after the database has lost commits: makes sent whatever stands in the
             list and is not sent here. Nothing is sent to the API

A list never decides that the API has not acted. Exit code 3: something differs.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.config(args[0])
			if err != nil {
				return usage(fmt.Errorf("reconcile: %w; see `batch reconcile --help`", err))
			}
			return a.reconcile(cmd.Context(), args[0], f, c)
		},
	}
	cmd.Flags().StringVar(&f.columns, "columns", "", "which column has what (default: those that bear its name)")
	cmd.Flags().StringSliceVar(&f.acted, "acted", nil, "statuses that mean that the API acted")
	cmd.Flags().BoolVar(&f.minor, "minor", false, "the list's amounts are in the currency's smallest unit")
	cmd.Flags().StringVar(&f.decimal, "decimal", "point", "point or comma")
	cmd.Flags().StringVar(&f.zone, "zone", "UTC", "zone of times that name none, for example Europe/Berlin")
	cmd.Flags().StringVar(&f.dates, "dates", "", "how to read 01/02/2026: mdy or dmy")
	cmd.Flags().StringVar(&f.since, "since", "", "only what was first sent at or after this time, or day")
	cmd.Flags().StringVar(&f.until, "until", "", "only what was first sent before this time, or day")
	cmd.Flags().BoolVar(&f.resolve, "resolve", false, "make sent what is in doubt and in the list")
	cmd.Flags().BoolVar(&f.adopt, "adopt", false, "make sent whatever is in the list")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "with --resolve and --adopt: don't ask")
	cmd.Flags().StringVar(&f.by, "by", "", "who does it (default: you, where that is known: user@host)")
	cmd.Flags().BoolVar(&f.csv, "csv", false, "print all differences as CSV")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// config finds wrong usage before anything is touched.
func (f reconcileFlags) config(path string) (c reconcile.Config, err error) {
	switch {
	case f.resolve && f.adopt:
		return c, errors.New("choose one of --resolve and --adopt")
	case f.csv && f.json:
		return c, errors.New("choose one of --csv and --json")
	case f.decimal != "point" && f.decimal != "comma":
		return c, errors.New("--decimal is point or comma")
	case f.dates != "" && f.dates != "mdy" && f.dates != "dmy":
		return c, errors.New("--dates is mdy or dmy")
	case f.minor && f.decimal == "comma":
		return c, errors.New("amounts in the smallest unit have no decimals: choose one of --minor and --decimal comma")
	case (f.resolve || f.adopt) && !f.yes && (path == "-" || !term.IsTerminal(int(os.Stdin.Fd()))):
		return c, errors.New("it asks on a terminal before it changes anything, and there is none: add --yes if you are sure")
	case f.yes && !f.resolve && !f.adopt:
		return c, errors.New("--yes goes with --resolve or --adopt")
	}
	c.Form = reconcile.Form{Acted: f.acted, Minor: f.minor, Comma: f.decimal == "comma", Dates: f.dates}
	if c.Form.Zone, err = time.LoadLocation(f.zone); err != nil {
		return c, fmt.Errorf("--zone: %w", err)
	}
	if c.Columns, err = reconcile.ParseColumns(f.columns); err != nil {
		return c, err
	}
	for _, bound := range []struct {
		flag, text string
		into       **time.Time
	}{{"--since", f.since, &c.Since}, {"--until", f.until, &c.Until}} {
		if bound.text == "" {
			continue
		}
		at, err := reconcile.ParseTime(bound.text, c.Form.Zone)
		if err != nil {
			return c, fmt.Errorf("%s: %w", bound.flag, err)
		}
		*bound.into = &at
	}
	if c.Since != nil && c.Until != nil && !c.Since.Before(*c.Until) {
		return c, errors.New("--since is not before --until")
	}
	return c, nil
}

func (a app) reconcile(ctx context.Context, path string, f reconcileFlags, c reconcile.Config) error {
	by := cmp.Or(f.by, a.whoami())
	if f.resolve || f.adopt {
		var err error
		if by, err = a.decider(f.by); err != nil {
			return err
		}
	}
	file, name, err := openList(path)
	if err != nil {
		return usage(err)
	}
	defer file.Close()
	return a.withDatabase(ctx, func(ctx context.Context, s settings, d *database) error {
		c.File, c.By = name, by
		book := s.deskBook()
		c.Conn, c.Book = d.lock, book // the direct one: a pooler would lose the temporary tables
		if !d.sameServer {
			c.Main = d.main
		}
		c.MarkSent, c.Pending, c.LookupAfter = s.InvoicesMarkSent, s.InvoicesPending, s.BillingLookupAfter
		c.Progress = a.readingProgress()
		r, err := reconcile.Open(ctx, c)
		if err != nil {
			return configurationFault(err)
		}
		l := listed{app: a, Reconciliation: r, flags: f, book: book, main: d.main}
		return errors.Join(l.reconcile(ctx, file), r.Close(ctx))
	})
}

func openList(path string) (io.ReadCloser, string, error) {
	if path == "-" {
		return os.Stdin, "standard input", nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("open the list: %w", err)
	}
	return file, filepath.Base(path), nil
}

// readingProgress shows on a terminal how far the list is read; nil elsewhere.
func (a app) readingProgress() func(int64) {
	if !isTerminal(a.stderr) {
		return nil
	}
	return func(lines int64) { fmt.Fprintf(a.stderr, "\r%s lines read", words.Count(lines)) }
}
