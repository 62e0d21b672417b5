package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"billonce/internal/billing"
	"billonce/internal/billing/pgstore"
)

type resolveFlags struct {
	sent, retry, cancel bool
	allInDoubt          bool
	allFailed, yes      bool
	attempt             int
	reason, by          string
	json                bool
}

func (a app) resolveCommand() *cobra.Command {
	var f resolveFlags
	cmd := &cobra.Command{
		Use:   "resolve ID… --sent | --retry | --cancel --reason TEXT",
		Short: "Decide about deliveries that are in doubt or failed",
		Long: `resolve writes a person's decision about deliveries into the ledger, with who made
it, when and why. Look into the billing API's own books first:

  --sent    the API has acted: the invoice is marked as any that was sent
  --retry   the API has not acted: the next batch run sends it again, as the
            invoice is now, under the same idempotency key (an API that remembers
            its refusals by the key answers the same until it forgets)
  --cancel  nobody is to send it: it is left as it is, and each run's summary
            counts it while it is pending

It decides only about what is in_doubt, once its request can't be on its way any
more, and about what is failed (--retry, --cancel). ` + "`batch status --in-doubt`" + ` and
` + "`batch status --failed`" + ` list what there is to decide. Exit code 3: some were left as they were.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := f.check(args)
			if err != nil {
				return usage(fmt.Errorf("resolve: %w; see `batch resolve --help`", err))
			}
			r := billing.Resolution{To: to, Attempt: f.attempt, By: cmp.Or(f.by, a.whoami()), Reason: f.reason}
			return a.withStore(cmd.Context(), func(ctx context.Context, store *pgstore.Store) error {
				return a.resolve(ctx, store, args, f, r)
			})
		},
	}
	cmd.Flags().BoolVar(&f.sent, "sent", false, "the API has acted")
	cmd.Flags().BoolVar(&f.retry, "retry", false, "the API has not acted: send it again")
	cmd.Flags().BoolVar(&f.cancel, "cancel", false, "nobody is to send it")
	cmd.Flags().BoolVar(&f.allInDoubt, "all-in-doubt", false, "all deliveries that are in doubt")
	cmd.Flags().BoolVar(&f.allFailed, "all-failed", false, "all deliveries that failed")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "with --all-in-doubt and --all-failed: don't ask")
	cmd.Flags().IntVar(&f.attempt, "attempt", 0, "only if this is still the last attempt")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; kept in the ledger")
	cmd.Flags().StringVar(&f.by, "by", "", "who decides (default: user@host)")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON, one object a line")
	return cmd
}

// check finds wrong usage before anything is touched.
func (f resolveFlags) check(ids []string) (billing.State, error) {
	var to []billing.State
	for state, chosen := range map[billing.State]bool{billing.Sent: f.sent, billing.Retry: f.retry, billing.Cancelled: f.cancel} {
		if chosen {
			to = append(to, state)
		}
	}
	switch {
	case len(to) != 1:
		return "", errors.New("choose one of --sent, --retry and --cancel")
	case strings.TrimSpace(f.reason) == "":
		return "", errors.New("say why with --reason: it is kept in the ledger")
	case f.allInDoubt && f.allFailed, f.all() == (len(ids) > 0):
		return "", errors.New("name the invoices' ids, or --all-in-doubt, or --all-failed")
	case f.attempt < 0:
		return "", errors.New("--attempt counts from 1")
	case f.all() && !f.yes && !term.IsTerminal(int(os.Stdin.Fd())):
		return "", fmt.Errorf("--all-%s asks on a terminal, and there is none: add --yes if you are sure", f.kind().word)
	}
	return to[0], nil
}

func (f resolveFlags) all() bool { return f.allInDoubt || f.allFailed }

func (f resolveFlags) kind() openKind {
	if f.allFailed {
		return failedKind()
	}
	return inDoubtKind()
}

func (a app) resolve(ctx context.Context, store *pgstore.Store, args []string, f resolveFlags, r billing.Resolution) error {
	deliveries, err := a.toResolve(ctx, store, args, f, r)
	if err != nil {
		return err
	}
	refused := 0
	for i, d := range deliveries {
		if ctx.Err() != nil {
			return &exitError{billing.ExitStopped, fmt.Errorf("interrupted: %d of %d deliveries were looked at", i, len(deliveries))}
		}
		line, err := resolveOne(ctx, store, d, r)
		if err != nil {
			return fmt.Errorf("%w; see `batch history %s` for whether it was written", err, d.InvoiceID)
		}
		if line.Refusal != "" {
			refused++
		}
		if err := line.print(a.stdout, f.json); err != nil {
			return err
		}
	}
	if refused > 0 {
		return &exitError{billing.ExitPerson, fmt.Errorf("%d of %d deliveries were left as they were", refused, len(deliveries))}
	}
	return nil
}

// toResolve reads the deliveries, and asks where they were not named.
func (a app) toResolve(ctx context.Context, store *pgstore.Store, args []string, f resolveFlags, r billing.Resolution) ([]pgstore.Delivery, error) {
	if !f.all() {
		ids := make([]billing.InvoiceID, len(args))
		for i, arg := range args {
			ids[i] = billing.InvoiceID(arg)
		}
		deliveries, err := store.Deliveries(ctx, ids)
		if errors.Is(err, pgstore.ErrID) {
			err = usage(err)
		}
		return deliveries, err
	}
	kind := f.kind()
	deliveries, err := store.Open(ctx, kind.state)
	if err != nil || len(deliveries) == 0 {
		if err == nil {
			fmt.Fprintln(a.stderr, kind.none)
		}
		return nil, err
	}
	if f.yes {
		return deliveries, nil
	}
	if err := kind.print(a.stderr, deliveries, false); err != nil {
		return nil, err
	}
	fmt.Fprintf(a.stderr, "Make all %d of them %s? Type yes: ", len(deliveries), r.To)
	return deliveries, confirm(ctx, os.Stdin)
}

// confirm waits for a typed yes. The reading can't be cancelled; the program
// ends without it.
func confirm(ctx context.Context, in io.Reader) error {
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case line := <-answer:
		if line == "yes" {
			return nil
		}
	case <-ctx.Done():
	}
	return usage(errors.New("not confirmed: nothing was changed"))
}

// resolvedLine is what is said about one delivery.
type resolvedLine struct {
	InvoiceID billing.InvoiceID `json:"invoice_id"`
	Attempt   int               `json:"attempt,omitempty"`
	From      billing.State     `json:"from,omitempty"`
	To        billing.State     `json:"to,omitempty"` // empty: left as it was
	Note      string            `json:"note,omitempty"`
	Refusal   string            `json:"refusal,omitempty"`
}

func resolveOne(ctx context.Context, store *pgstore.Store, d pgstore.Delivery, r billing.Resolution) (resolvedLine, error) {
	line := resolvedLine{InvoiceID: d.InvoiceID, Attempt: d.Attempt, From: d.State}
	ruling := billing.Resolve(d.Resolvable(), r)
	if line.Refusal = ruling.Refusal; line.Refusal != "" {
		return line, nil
	}
	came, err := store.Resolve(ctx, d, r, ruling)
	if err != nil {
		return line, err
	}
	line.To = r.To
	switch came {
	case billing.ResolvedFully:
	case billing.ResolvedInvoiceGone:
		line.Note = "the invoice was deleted or is not pending any more: only the ledger is settled"
	case billing.ResolvedByAnother:
		line.To, line.Refusal = "", "it has changed since it was read: look at it again with `batch history "+string(d.InvoiceID)+"`"
	case billing.NotResolved:
		line.To, line.Refusal = "", "somebody holds the invoice's row: try again"
	}
	return line, nil
}

func (l resolvedLine) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(l)
	}
	text := fmt.Sprintf("%s: %s, was %s", l.InvoiceID, l.To, l.From)
	if l.Refusal != "" {
		text = fmt.Sprintf("%s: left as it was: %s", l.InvoiceID, l.Refusal)
	}
	if l.Note != "" {
		text += "; " + l.Note
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// whoami is user@host.
func (a app) whoami() string {
	name := a.getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host := a.getenv("HOSTNAME")
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return cmp.Or(name, "unknown") + "@" + cmp.Or(host, "unknown")
}

// withStore runs a command that needs the ledger, and no billing API.
func (a app) withStore(ctx context.Context, f func(context.Context, *pgstore.Store) error) error {
	return a.withDatabase(ctx, func(ctx context.Context, c settings, d *database) error {
		store, err := pgstore.Open(ctx, pgstore.Config{Conn: d.main, Pooled: true, Book: c.book})
		if err != nil {
			return configurationFault(err)
		}
		return errors.Join(f(ctx, store), store.Close(ctx))
	})
}
