package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"billonce/internal/desk/pgdesk"
	"billonce/internal/words"
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
			return a.withDesk(cmd.Context(), func(ctx context.Context, d *pgdesk.Desk) error {
				paused, err := d.Pause(ctx, cmp.Or(by, a.whoami()), reason)
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
					_, err = fmt.Fprintf(a.stdout, "The book was paused already: by %s since %s: %s\n", words.OneLine(pause.By), words.Stamp(pause.At), words.OneLine(pause.Reason))
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the ledger while it lasts")
	cmd.Flags().StringVar(&by, "by", "", "who pauses it (default: user@host)")
	return cmd
}

func (a app) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "End the pause of this book",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDesk(cmd.Context(), func(ctx context.Context, d *pgdesk.Desk) error {
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
			})
		},
	}
}
