package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/words"
)

// leastPruneAge keeps what an API may still remember, and what people may still
// ask about tomorrow.
const leastPruneAge = 7 * 24 * time.Hour

func (a app) pruneCommand() *cobra.Command {
	var olderThan string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "prune --older-than 400d",
		Short: "Remove old deliveries that are settled from the ledger",
		Long: `prune removes from the ledger, a thousand at a time, deliveries that were sent,
failed or cancelled longer ago than --older-than and whose invoices are not
pending, with their history. What is open stays, and as long as its invoice is
there, what was cancelled, or sent without its invoice being marked.

An invoice whose delivery is forgotten and that becomes pending again is a new one:
it will be sent. Keep them for as long as that could happen by mistake.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			age, err := parseAge(olderThan)
			if err != nil {
				return usage(fmt.Errorf("prune: --older-than %w", err))
			}
			return a.withDesk(cmd.Context(), func(ctx context.Context, d *pgdesk.Desk) error {
				return a.prune(ctx, d, age, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&olderThan, "older-than", "", "age in days (400d) or hours (9600h), at least 7d")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a app) prune(ctx context.Context, d *pgdesk.Desk, age time.Duration, asJSON bool) error {
	show := isTerminal(a.stderr)
	pruned, err := d.Prune(ctx, age, func(p desk.Pruned) {
		if show {
			fmt.Fprintf(a.stderr, "\r%s deliveries read, %s removed", words.Count(p.Read), words.Count(p.Removed))
		}
	})
	if show {
		fmt.Fprintln(a.stderr)
	}
	if err != nil {
		return fmt.Errorf("%w; until then %s of %s deliveries were removed: run it again to go on", err, words.Count(pruned.Removed), words.Count(pruned.Read))
	}
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(pruned)
	}
	_, err = fmt.Fprintf(a.stdout, "Removed %s of %s deliveries.\n", words.Count(pruned.Removed), words.Count(pruned.Read))
	return err
}

// parseAge reads days, which time.ParseDuration does not know, and what it does.
func parseAge(text string) (time.Duration, error) {
	if text == "" {
		return 0, errors.New("is required: for example --older-than 400d")
	}
	age, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n int64
		n, err = strconv.ParseInt(days, 10, 16)
		age = time.Duration(n) * 24 * time.Hour
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no age: write for example 400d", text)
	case age < leastPruneAge:
		return 0, fmt.Errorf("%s is too short: at least 7d, so that an invoice that becomes pending again by mistake is recognised", text)
	}
	return age, nil
}
