package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/reconcile"
	"github.com/billonce/billonce/internal/words"
)

// listed is a list that is held against the ledger, and may decide.
type listed struct {
	app
	*reconcile.Reconciliation
	flags  reconcileFlags
	book   pgdesk.Book
	main   *pgx.ConnConfig
	report reconcile.Report
}

func (l *listed) reconcile(ctx context.Context, file io.Reader) (err error) {
	if err := l.Read(ctx, file); err != nil {
		var unreadable *reconcile.UnreadableError
		var whole *reconcile.ListError
		if errors.As(err, &unreadable) || errors.As(err, &whole) {
			return usage(err)
		}
		return err
	}
	if l.report, err = l.Compare(ctx); err != nil {
		return err
	}
	if at, by, err := l.Before(ctx); err != nil {
		return err
	} else if by != "" {
		fmt.Fprintf(l.stderr, "The same file was compared before, on %s by %s.\n", words.Stamp(at), words.OneLine(by))
	}
	left, err := l.decide(ctx)
	if err != nil {
		return err
	}
	if !l.decides() || l.flags.csv || l.flags.json {
		err = l.print(ctx)
	}
	if err == nil && left {
		return &exitError{code: billing.ExitPerson}
	}
	return err
}

func (l *listed) decides() bool { return l.flags.resolve || l.flags.adopt }

func (l *listed) print(ctx context.Context) error {
	each := func(k reconcile.Kind, found func(reconcile.Found) error) error { return l.Each(ctx, k, 0, found) }
	switch {
	case l.flags.csv:
		incomplete := l.Incomplete(l.report)
		if incomplete != "" && l.report.Count(reconcile.DoubtAbsent) > 0 {
			fmt.Fprintf(l.stderr, "What is in doubt and not in the list stays undecided: %s.\n", incomplete)
		}
		return l.report.CSV(l.stdout, incomplete, each)
	case l.flags.json:
		return l.report.JSON(l.stdout, each)
	}
	return l.report.Print(l.stdout)
}

// decide carries out --resolve and --adopt, and says whether anything still differs.
func (l *listed) decide(ctx context.Context) (left bool, err error) {
	if !l.decides() {
		return l.report.Differs(), nil
	}
	if err := l.report.Print(l.stderr); err != nil {
		return false, err
	}
	if err := l.Trust(ctx, l.report); err != nil {
		var refused *reconcile.RefusedError
		if errors.As(err, &refused) {
			err = &exitError{billing.ExitRefused, err}
		}
		return false, configurationFault(err)
	}
	if l.flags.adopt {
		return l.adopt(ctx)
	}
	n := l.report.Count(reconcile.Decides)
	differ := l.report.Count(reconcile.Differences()...) - n
	if n == 0 {
		fmt.Fprintln(l.stderr, "\nNothing is in doubt that the list decides.")
		return differ > 0, nil
	}
	if err := l.confirm(ctx, fmt.Sprintf("Of what is in doubt, make %s sent, as the list has it?", words.Count(n))); err != nil {
		return false, err
	}
	d, err := pgdesk.Open(ctx, l.main, l.book)
	if err != nil {
		return false, configurationFault(err)
	}
	tally, err := l.Resolve(ctx, d, l.report, func(c desk.Change) error {
		if l.flags.csv || l.flags.json {
			return c.Print(l.stderr, false)
		}
		return c.Print(l.stdout, false)
	})
	l.report.Decided = &tally
	return differ+tally.Left > 0, errors.Join(interrupted(ctx, err), d.Close(ctx))
}

func (l *listed) adopt(ctx context.Context) (left bool, err error) {
	n, unknown, err := l.Adoptable(ctx)
	if err != nil {
		return false, err
	}
	if n == 0 {
		fmt.Fprintln(l.stderr, "\nThe list has nothing that is not sent here.")
		return l.report.Differs(), nil
	}
	question := fmt.Sprintf("Make %s of the list sent in the ledger?", words.Plural(n, "invoice"))
	if unknown > 0 {
		question = fmt.Sprintf("%s of them are not in INVOICES_TABLE. ", words.Count(unknown)) + question
	}
	if err := l.confirm(ctx, question); err != nil {
		return false, err
	}
	show := isTerminal(l.stderr)
	adopted, err := l.Adopt(ctx, l.report, func(so reconcile.Adopted) {
		if show {
			fmt.Fprintf(l.stderr, "\r%s of %s", words.Count(so.Done+so.Left), words.Count(n))
		}
	})
	fmt.Fprintf(l.stderr, "\nAdopted %s: they are sent; of %s the row can't be marked yet, and the next run marks it. %s left as they were.\n",
		words.Plural(adopted.Done, "invoice"), words.Count(adopted.Unmarked), words.Count(adopted.Left))
	// What is under way is adopted too, and is no difference.
	differ := l.report.Count(reconcile.Differences()...) - (n - l.report.Count(reconcile.UnderWay))
	l.report.Decided = &adopted.Tally
	return differ > 0 || adopted.Left > 0, interrupted(ctx, err)
}

// interrupted gives what a signal has stopped the exit code of that.
func interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return &exitError{billing.ExitStopped, fmt.Errorf("%w: what was decided stays; run it again to go on", err)}
}

// confirm asks for a yes, unless it was given.
func (l *listed) confirm(ctx context.Context, question string) error {
	if l.flags.yes {
		return nil
	}
	fmt.Fprintf(l.stderr, "\n%s Type yes: ", question)
	return confirm(ctx, os.Stdin)
}
