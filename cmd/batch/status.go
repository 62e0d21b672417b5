package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
)

// watchInterval is how often `--watch` looks, unless it is told.
const watchInterval = 2 * time.Second

type statusFlags struct {
	inDoubt, failed, open bool
	sent                  bool
	run, since            string
	json, csv             bool
	watch                 time.Duration
}

func (a app) statusCommand() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is pending, under way, open and done, the last runs, and who holds the locks",
		Args:  f.watchEvery,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return usage(fmt.Errorf("status: %w; see `batch status --help`", err))
			}
			switch {
			case f.inDoubt:
				return a.statusKind(cmd.Context(), desk.InDoubt(), f)
			case f.failed:
				return a.statusKind(cmd.Context(), desk.Failed(), f)
			case f.open:
				return a.statusOpen(cmd.Context(), f)
			case f.sent:
				return a.statusSent(cmd.Context(), f)
			}
			return a.withDatabase(cmd.Context(), func(ctx context.Context, c settings, d *database) error {
				if f.watch > 0 {
					return watch(ctx, a.stdout, f.watch, terminalSize, func() (string, error) { return statusPage(ctx, c, d, f) })
				}
				page, err := statusPage(ctx, c, d, f)
				if err != nil {
					return err
				}
				if f.json {
					_, err = fmt.Fprint(a.stdout, page)
				} else {
					_, err = fmt.Fprint(a.people(a.stdout), page)
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&f.inDoubt, "in-doubt", false, "list what is in doubt, with the evidence, and how it is resolved")
	cmd.Flags().BoolVar(&f.failed, "failed", false, "list what the API refused, with the evidence, and how it is resolved")
	cmd.Flags().BoolVar(&f.open, "open", false, "list all that waits for a person, by reasons, the most money first, and what to do")
	cmd.Flags().BoolVar(&f.sent, "sent", false, "list what was sent, by a run (--run) or since a time (--since); reads the whole ledger")
	cmd.Flags().StringVar(&f.run, "run", "", "with --sent: by the run of this id")
	cmd.Flags().StringVar(&f.since, "since", "", "with --sent: since this time: 2026-03-01, 2026-03-01T03:00:00Z, or 12h")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&f.csv, "csv", false, "print CSV, of a list")
	cmd.Flags().DurationVar(&f.watch, "watch", 0, "look again every so often, until interrupted: --watch, or --watch 10s")
	cmd.Flags().Lookup("watch").NoOptDefVal = watchInterval.String()
	return cmd
}

// watchEvery takes `--watch 10s` for --watch=10s: a flag whose value may be left out takes
// none behind a blank.
func (f *statusFlags) watchEvery(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && f.watch == watchInterval {
		if every, err := time.ParseDuration(args[0]); err == nil {
			f.watch = every
			return nil
		}
	}
	return cobra.NoArgs(cmd, args)
}

func (f statusFlags) check() error {
	lists := 0
	for _, chosen := range []bool{f.inDoubt, f.failed, f.open, f.sent} {
		if chosen {
			lists++
		}
	}
	switch {
	case f.watch < 0:
		return errors.New("--watch takes a duration, for example 10s")
	case lists > 1, f.watch > 0 && lists > 0:
		return errors.New("choose one of --in-doubt, --failed, --open, --sent and --watch")
	case f.sent && (f.run == "") == (f.since == ""):
		return errors.New("--sent takes --run ID or --since TIME")
	case !f.sent && f.run+f.since != "":
		return errors.New("--run and --since go with --sent")
	case f.csv && (lists == 0 || f.json):
		return errors.New("--csv prints a list: --in-doubt, --failed, --open or --sent, and not with --json")
	case f.watch > 0 && f.json:
		return errors.New("--watch is for people; for scripts call status --json again")
	case f.watch > 0 && !term.IsTerminal(int(os.Stdout.Fd())):
		return errors.New("--watch needs a terminal")
	}
	if f.run != "" {
		if _, err := uuid.Parse(f.run); err != nil {
			return fmt.Errorf("--run takes a run's id, as `batch status --json` has it: %q is none", f.run)
		}
	}
	_, err := parseSince(f.since, time.Now())
	return err
}

// parseSince reads a time, or how long ago it was; zero where there is none.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since: %q is no time: write for example 2026-03-01, 2026-03-01T03:00:00Z, or 12h", text)
}

func statusPage(ctx context.Context, c settings, d *database, f statusFlags) (string, error) {
	st, err := pgdesk.ReadStatus(ctx, pgdesk.StatusConfig{Conn: d.main, Book: c.deskBook(), Namespace: c.LockNamespace, RunName: c.RunName})
	if err != nil {
		return "", d.explainRights(configurationFault(err))
	}
	var b strings.Builder
	if f.json {
		err = printJSON(&b, st)
	} else {
		err = st.Print(&b)
	}
	return b.String(), err
}

func (a app) statusKind(ctx context.Context, kind desk.Kind, f statusFlags) error {
	var deliveries []desk.Delivery
	err := a.withDesk(ctx, func(ctx context.Context, d *pgdesk.Desk) (err error) {
		deliveries, err = d.Open(ctx, kind.State)
		return err
	})
	switch {
	case err != nil:
		return err
	case f.csv:
		return desk.WriteDeliveriesCSV(a.stdout, deliveries)
	case f.json:
		if deliveries == nil {
			deliveries = []desk.Delivery{}
		}
		return printJSON(a.stdout, deliveries)
	case len(deliveries) == 0:
		_, err = fmt.Fprintln(a.stdout, kind.None)
		return err
	}
	return kind.Print(a.people(a.stdout), deliveries, true)
}

func (a app) statusOpen(ctx context.Context, f statusFlags) error {
	var items []desk.OpenItem
	err := a.withDesk(ctx, func(ctx context.Context, d *pgdesk.Desk) (err error) {
		items, err = d.OpenItems(ctx)
		return err
	})
	switch {
	case err != nil:
		return err
	case f.csv:
		return desk.WriteOpenCSV(a.stdout, items)
	case f.json:
		return printJSON(a.stdout, items)
	case len(items) == 0:
		_, err = fmt.Fprintln(a.stdout, "Nothing waits for a person.")
		return err
	}
	return desk.PrintOpen(a.people(a.stdout), items)
}

func (a app) statusSent(ctx context.Context, f statusFlags) error {
	since, err := parseSince(f.since, time.Now())
	if err != nil {
		return usage(err)
	}
	list, err := desk.NewSentList(a.stdout, f.json, f.csv)
	if err != nil {
		return err
	}
	return a.withDesk(ctx, func(ctx context.Context, d *pgdesk.Desk) error {
		if err := d.Sent(ctx, f.run, since, list.Add); err != nil {
			return err
		}
		return list.End()
	})
}
