package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
)

// resolveFrom makes the decisions of a file. What has changed since the file was
// written is listed, and left as it is.
func (a app) resolveFrom(cmd *cobra.Command, args []string, f resolveFlags) error {
	if len(args) > 0 || f.all() || f.sent || f.retry || f.cancel || f.again || f.reopen || f.attempt != 0 || f.only != (narrowing{}) {
		return usage(errors.New("resolve: the file of --from says what is decided about which invoices: only --reason, --by, --yes and --json go with it"))
	}
	file, err := os.Open(f.from)
	if err != nil {
		return usage(fmt.Errorf("resolve: --from: %w", err))
	}
	defer func() { _ = file.Close() }() // it was only read
	decisions, err := desk.ReadDecisions(file, f.reason)
	if err != nil {
		return usage(fmt.Errorf("resolve: %s: nothing was written: %w", f.from, err))
	}
	if len(decisions) == 0 {
		fmt.Fprintln(a.stderr, f.from+" holds no decisions.")
		return nil
	}
	by, err := a.decider(f.by)
	if err != nil {
		return err
	}
	ids := make([]billing.InvoiceID, len(decisions))
	for i := range decisions {
		ids[i] = decisions[i].InvoiceID
		decisions[i].Resolution.By = by
	}
	return a.withDesk(cmd.Context(), func(ctx context.Context, d *pgdesk.Desk) error {
		deliveries, err := d.Deliveries(ctx, ids)
		if errors.Is(err, desk.ErrID) {
			return usage(fmt.Errorf("resolve: %s: nothing was written: %w", f.from, err))
		}
		if err != nil {
			return err
		}
		return a.decide(ctx, d, deliveries, f, func(n int) billing.Resolution { return decisions[n].Resolution })
	})
}
