package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/words"
)

type resolveFlags struct {
	sent, retry, cancel bool
	again, reopen       bool
	allInDoubt          bool
	allFailed, yes      bool
	attempt             int
	reason, by          string
	json                bool
	from                string
	only                narrowing
}

func (a app) resolveCommand() *cobra.Command {
	var f resolveFlags
	cmd := &cobra.Command{
		Use:   "resolve ID… --sent | --retry | --cancel | --again | --reopen --reason TEXT",
		Short: "Decide about deliveries that wait for a person",
		Long: `resolve writes a person's decision about deliveries into the ledger, with who made
it, when and why. Look into the billing API's own books first:

  --sent    the API has acted: the invoice is marked sent
  --retry   the API has not acted: the next batch run sends it again, as the
            invoice is now. What failed gets another idempotency key if each of
            its attempts was answered: an API that remembers its refusals lets it
            through. What was in doubt keeps its key.
  --cancel  no run sends it: it is left as it is, and each run's summary counts
            it while it is pending
  --again   it was sent, and has to be sent once more: the next batch run sends
            it under another idempotency key
  --reopen  it was cancelled: it is again what it was before

What can be decided, and how:

  in doubt            --sent, --retry or --cancel, once its request can no longer
                      arrive
  in retry for two    --sent or --cancel, once its request can no longer arrive
  days
  failed              --retry, --sent or --cancel
  pending again       --again, or --sent, which marks it
  cancelled           --reopen

` + "`batch status --open`" + ` lists what there is to decide. Exit code 3: some were left as
they were.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.from != "" {
				return a.resolveFrom(cmd, args, f)
			}
			r, err := f.check(args)
			if err == nil {
				err = f.only.check(f.all())
			}
			if err != nil {
				return usage(fmt.Errorf("resolve: %w; see `batch resolve --help`", err))
			}
			r.Attempt, r.Reason = f.attempt, f.reason
			if r.By, err = a.decider(f.by); err != nil {
				return err
			}
			return a.withDesk(cmd.Context(), func(ctx context.Context, d *pgdesk.Desk) error {
				return a.resolve(ctx, d, args, f, r)
			})
		},
	}
	cmd.Flags().BoolVar(&f.sent, "sent", false, "the API has acted")
	cmd.Flags().BoolVar(&f.retry, "retry", false, "the API has not acted: send it again")
	cmd.Flags().BoolVar(&f.cancel, "cancel", false, "no run sends it")
	cmd.Flags().BoolVar(&f.again, "again", false, "it was sent, and has to be sent once more")
	cmd.Flags().BoolVar(&f.reopen, "reopen", false, "it was cancelled: it is again what it was")
	cmd.Flags().BoolVar(&f.allInDoubt, "all-in-doubt", false, "all deliveries that are in doubt")
	cmd.Flags().BoolVar(&f.allFailed, "all-failed", false, "all deliveries that failed")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "with --all-in-doubt and --all-failed: don't ask")
	cmd.Flags().IntVar(&f.attempt, "attempt", 0, "only if this is still the last attempt")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; kept in the ledger")
	cmd.Flags().StringVar(&f.by, "by", "", "who decides (default: you, where that is known: user@host)")
	cmd.Flags().StringVar(&f.from, "from", "", "CSV of decisions: invoice_id, attempt, decision (sent, retry, cancel, again, reopen) and reason; written only if every row is sound")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON, one object a line")
	f.only.flags(cmd)
	return cmd
}

// check finds wrong usage before anything is touched.
func (f resolveFlags) check(ids []string) (r billing.Resolution, err error) {
	chosen := 0
	for _, c := range []struct {
		flag bool
		r    billing.Resolution
	}{
		{f.sent, billing.Resolution{To: billing.Sent}},
		{f.retry, billing.Resolution{To: billing.Retry}},
		{f.cancel, billing.Resolution{To: billing.Cancelled}},
		{f.again, billing.Resolution{To: billing.Retry, Again: true}},
		{f.reopen, billing.Resolution{}},
	} {
		if c.flag {
			chosen++
			r = c.r
		}
	}
	switch {
	case chosen != 1:
		return r, errors.New("choose one of --sent, --retry, --cancel, --again and --reopen")
	case f.all() && (f.again || f.reopen):
		return r, errors.New("--again and --reopen are for invoices that are named")
	case strings.TrimSpace(f.reason) == "":
		return r, errors.New("say why with --reason: it is kept in the ledger")
	case f.allInDoubt && f.allFailed, f.all() == (len(ids) > 0):
		return r, errors.New("name the invoices' ids, or --all-in-doubt, or --all-failed")
	case f.attempt < 0:
		return r, errors.New("--attempt counts from 1")
	case f.all() && !f.yes && !term.IsTerminal(int(os.Stdin.Fd())):
		return r, fmt.Errorf("--all-%s asks on a terminal, and there is none: add --yes if you are sure", f.kind().Word)
	}
	return r, nil
}

func (f resolveFlags) all() bool { return f.allInDoubt || f.allFailed }

func (f resolveFlags) kind() desk.Kind {
	if f.allFailed {
		return desk.Failed()
	}
	return desk.InDoubt()
}

func (a app) resolve(ctx context.Context, d *pgdesk.Desk, args []string, f resolveFlags, r billing.Resolution) error {
	deliveries, err := a.toResolve(ctx, d, args, f, r)
	if err != nil {
		return err
	}
	return a.decide(ctx, d, deliveries, f, func(int) billing.Resolution { return r })
}

// listedEach is up to how many decisions get a line each.
const listedEach = 20

func (a app) decide(ctx context.Context, d *pgdesk.Desk, deliveries []desk.Delivery, f resolveFlags, resolution func(n int) billing.Resolution) error {
	refused := 0
	var changes desk.Changes
	out := a.stdout
	if !f.json {
		out = a.people(out)
	}
	show := func(c desk.Change) error { return c.Print(out, f.json) }
	if f.all() && !f.json && len(deliveries) > listedEach {
		show = func(c desk.Change) error { return changes.Add(out, c) }
	}
	for i, delivery := range deliveries {
		if ctx.Err() != nil {
			err := fmt.Errorf("interrupted after %s of %s deliveries; run it again to go on", words.Count(i), words.Count(len(deliveries)))
			return errors.Join(&exitError{billing.ExitStopped, err}, changes.Print(out))
		}
		change, err := desk.Decide(ctx, d, delivery, resolution(i))
		if err != nil {
			return errors.Join(err, changes.Print(out))
		}
		if change.Refusal != "" {
			refused++
		}
		if err := show(change); err != nil {
			return err
		}
	}
	if err := changes.Print(out); err != nil {
		return err
	}
	if refused > 0 {
		return &exitError{billing.ExitPerson, fmt.Errorf("left as they were: %s of %s", words.Count(refused), words.Plural(len(deliveries), "invoice"))}
	}
	return nil
}

// toResolve reads the deliveries, and asks where they were not named.
func (a app) toResolve(ctx context.Context, d *pgdesk.Desk, args []string, f resolveFlags, r billing.Resolution) ([]desk.Delivery, error) {
	if !f.all() {
		ids := make([]billing.InvoiceID, len(args))
		for i, arg := range args {
			ids[i] = billing.InvoiceID(arg)
		}
		deliveries, err := d.Deliveries(ctx, ids)
		if errors.Is(err, desk.ErrID) {
			err = usage(err)
		}
		return deliveries, err
	}
	kind := f.kind()
	deliveries, err := d.Open(ctx, kind.State)
	deliveries = f.only.of(deliveries)
	if err != nil || len(deliveries) == 0 {
		if err == nil {
			fmt.Fprintln(a.stderr, f.only.none(kind))
		}
		return nil, err
	}
	if f.yes {
		return deliveries, nil
	}
	if err := desk.PrintGroups(a.people(a.stderr), deliveries); err != nil {
		return nil, err
	}
	fmt.Fprintf(a.stderr, "Make all %s of them %s? Type yes: ", words.Count(len(deliveries)), r.To)
	return deliveries, confirm(ctx, os.Stdin)
}
