package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/words"
)

func (a app) pauseCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "pause --reason TEXT",
		Short: "Stop this book's runs until it is resumed",
		Long: `pause writes into the ledger that nothing of this book is to be sent, by whom and
why. A run that is under way begins no request from then on: what is in flight is
awaited and settled. Runs that start later say so, and touch nothing. ` + "`batch resume`" + ` ends it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if strings.TrimSpace(reason) == "" {
				return usage(errors.New("pause: say why with --reason: whoever looks for the next run reads it; see `batch pause --help`"))
			}
			by, err := a.decider(by)
			if err != nil {
				return err
			}
			return a.withDesk(cmd.Context(), func(ctx context.Context, d *pgdesk.Desk) error {
				paused, err := d.Pause(ctx, by, reason)
				if err != nil {
					return err
				}
				pause, err := d.Paused(ctx)
				switch {
				case err != nil:
					return err
				case pause == nil:
					return errors.New("somebody has resumed the book at the same moment; run it again if it is to be paused")
				case paused:
					_, err = fmt.Fprintln(a.stdout, "The book is paused. `batch resume` ends it.")
				default:
					_, err = fmt.Fprintf(a.people(a.stdout), "The book was paused already: by %s since %s: %s\n", words.OneLine(pause.By), words.Stamp(pause.At), words.OneLine(pause.Reason))
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the ledger while it lasts")
	cmd.Flags().StringVar(&by, "by", "", "who pauses it (default: you, where that is known: user@host)")
	return cmd
}

func (a app) resumeCommand() *cobra.Command {
	var accept bool
	var reason, by string
	cmd := &cobra.Command{
		Use:   "resume [--accept-database --reason TEXT]",
		Short: "End the pause of this book, or trust the database that its ledger is in",
		Long: `resume ends the pause of this book. With --accept-database it has the ledger trust
the database that it is in: after a restored backup, a copy or a fail-over that may
have lost commits, once you have compared it with the billing API's own list and
written down what was missing (` + "`batch reconcile FILE --adopt`" + `). Until then no run
without idempotency keys sends anything.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if accept && strings.TrimSpace(reason) == "" {
				return usage(errors.New("resume: say with --reason what you have compared; see `batch resume --help`"))
			}
			by, err := a.decider(by)
			if err != nil {
				return err
			}
			return a.withDesk(cmd.Context(), func(ctx context.Context, d *pgdesk.Desk) error {
				return a.resume(ctx, d, accept, by, reason)
			})
		},
	}
	cmd.Flags().BoolVar(&accept, "accept-database", false, "this database has forgotten nothing that was sent")
	cmd.Flags().StringVar(&reason, "reason", "", "with --accept-database: why; kept in the ledger")
	cmd.Flags().StringVar(&by, "by", "", "who decides (default: you, where that is known: user@host)")
	return cmd
}

func (a app) resume(ctx context.Context, d *pgdesk.Desk, accept bool, by, reason string) error {
	if accept {
		doubt, err := d.Doubt(ctx)
		if err != nil {
			return err
		}
		if err := doubt.Print(a.stdout); err != nil {
			return err
		}
		id, err := d.AcceptDatabase(ctx, by, reason)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(a.stdout, "The ledger trusts this database: %s.\n", id); err != nil {
			return err
		}
	}
	text := "The book is resumed: the next run sends what is pending."
	resumed, err := d.Resume(ctx)
	if err != nil {
		return err
	}
	if !resumed {
		text = "The book was not paused."
	}
	_, err = fmt.Fprintln(a.stdout, text)
	return err
}
