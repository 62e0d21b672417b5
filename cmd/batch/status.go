package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"billonce/internal/billing/pgstore"
	"billonce/internal/desk"
	"billonce/internal/desk/pgdesk"
)

// watchInterval is how often `--watch` looks, unless it is told.
const watchInterval = 2 * time.Second

type statusFlags struct {
	inDoubt, failed, json bool
	watch                 time.Duration
}

func (a app) statusCommand() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is pending, under way, open and done, the last runs, and who holds the locks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return usage(fmt.Errorf("status: %w; see `batch status --help`", err))
			}
			switch {
			case f.inDoubt:
				return a.statusOpen(cmd.Context(), desk.InDoubt(), f.json)
			case f.failed:
				return a.statusOpen(cmd.Context(), desk.Failed(), f.json)
			}
			return a.withDatabase(cmd.Context(), func(ctx context.Context, c settings, d *database) error {
				if f.watch > 0 {
					return watch(ctx, a.stdout, f.watch, terminalSize, func() (string, error) { return statusPage(ctx, c, d, f) })
				}
				page, err := statusPage(ctx, c, d, f)
				if err != nil {
					return err
				}
				_, err = a.stdout.Write([]byte(page))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&f.inDoubt, "in-doubt", false, "list what is in doubt, with the evidence, and how it is resolved")
	cmd.Flags().BoolVar(&f.failed, "failed", false, "list what the API refused, with the evidence, and how it is resolved")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().DurationVar(&f.watch, "watch", 0, "look again every so often, until interrupted: --watch, or --watch=10s")
	cmd.Flags().Lookup("watch").NoOptDefVal = watchInterval.String()
	return cmd
}

func (f statusFlags) check() error {
	switch {
	case f.watch < 0:
		return errors.New("--watch takes a duration, for example 10s")
	case f.inDoubt && f.failed, f.watch > 0 && (f.inDoubt || f.failed):
		return errors.New("choose one of --in-doubt, --failed and --watch")
	case f.watch > 0 && f.json:
		return errors.New("--watch is for people; for scripts call status --json again")
	case f.watch > 0 && !term.IsTerminal(int(os.Stdout.Fd())):
		return errors.New("--watch needs a terminal")
	}
	return nil
}

func statusPage(ctx context.Context, c settings, d *database, f statusFlags) (string, error) {
	st, err := pgdesk.ReadStatus(ctx, pgdesk.StatusConfig{Conn: d.main, Book: pgstore.DeskBook{Book: c.book}, Namespace: c.LockNamespace, RunName: c.RunName})
	if err != nil {
		return "", configurationFault(err)
	}
	var b strings.Builder
	if f.json {
		err = printJSON(&b, st)
	} else {
		err = st.Print(&b)
	}
	return b.String(), err
}

func (a app) statusOpen(ctx context.Context, kind desk.Kind, asJSON bool) error {
	var deliveries []desk.Delivery
	err := a.withDesk(ctx, func(ctx context.Context, d *pgdesk.Desk) (err error) {
		deliveries, err = d.Open(ctx, kind.State)
		return err
	})
	switch {
	case err != nil:
		return err
	case asJSON:
		if deliveries == nil {
			deliveries = []desk.Delivery{}
		}
		return printJSON(a.stdout, deliveries)
	case len(deliveries) == 0:
		_, err = fmt.Fprintln(a.stdout, kind.None)
		return err
	}
	return kind.Print(a.stdout, deliveries, true)
}
