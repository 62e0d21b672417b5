package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"billonce/internal/billing"
	"billonce/internal/billing/pgstore"
)

func (a app) statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show deliveries by state, the last runs, and who holds the locks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDatabase(cmd.Context(), func(ctx context.Context, c config, d *database) error {
				st, err := pgstore.ReadStatus(ctx, d.main, c.book(), c.RunName)
				if err != nil {
					return configurationFault(err)
				}
				if asJSON {
					e := json.NewEncoder(a.stdout)
					e.SetIndent("", "  ")
					return e.Encode(st)
				}
				return printStatus(a.stdout, st)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// configurationFault gives the faults that only the database can see the exit
// code of a wrong configuration: nothing was touched.
func configurationFault(err error) error {
	var schema *pgstore.SchemaError
	var fragment *pgstore.UserSQLError
	if errors.As(err, &schema) || errors.As(err, &fragment) || errors.Is(err, pgstore.ErrNoInvoices) || errors.Is(err, pgstore.ErrKeyType) {
		return usage(err)
	}
	return err
}

func printStatus(out io.Writer, st pgstore.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "Invoices\tpending\t%d\n", st.Pending)
	for i, state := range []billing.State{billing.Sending, billing.Sent, billing.Retry, billing.Failed, billing.InDoubt, billing.Cancelled} {
		title := ""
		if i == 0 {
			title = "Deliveries"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\n", title, state, st.Deliveries[string(state)])
	}
	fmt.Fprintf(w, "Locks\tinvoices\t%d\n", st.InvoiceLocks)
	fmt.Fprintf(w, "\trun lock %q\tkey %s\n", st.RunLock.Name, st.RunLock.Key)
	for _, h := range st.RunLock.Holders {
		fmt.Fprintf(w, "\t\theld by %s (%s), process %d, since %s\n", h.ApplicationName, h.Mode, h.PID, h.BackendStart.Format(time.RFC3339))
	}
	if len(st.RunLock.Holders) == 0 {
		fmt.Fprintf(w, "\t\theld by nobody\n")
	}
	for i, r := range st.Runs {
		title := ""
		if i == 0 {
			title = "Runs"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", title, r.StartedAt.Format(time.RFC3339), runLine(r))
	}
	return w.Flush()
}

func runLine(r pgstore.Run) string {
	line := fmt.Sprintf("%s, %s, %s", r.Application, r.Strategy, r.RunLock)
	if r.FinishedAt == nil || r.ExitCode == nil {
		return line + ": running, or killed"
	}
	line += fmt.Sprintf(": exit %d after %s", *r.ExitCode, r.FinishedAt.Sub(r.StartedAt).Round(time.Millisecond))
	if s := r.Summary; s != nil {
		line += fmt.Sprintf("; %d sent, %d failed, %d in doubt, %d to be tried again", s.Sent, s.Failed, s.InDoubt, s.Retry)
	}
	return line
}
