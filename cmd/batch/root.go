package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/config"
)

// untilSignal is a context that the first signal cancels. A second one ends the
// process at once, and not by the signal's default action: that doesn't end
// PID 1, and Go's runtime then exits with 2, our code for a wrong configuration.
func untilSignal() context.Context {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	last := &lastWord{}
	ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), lastWordKey{}, last))
	go func() {
		cancel(received{<-signals})
		<-signals
		fmt.Fprintln(os.Stderr, "batch: ended by a second signal. "+last.text())
		os.Exit(billing.ExitStopped)
	}()
	return ctx
}

// received is the signal that ends a context.
type received struct{ os.Signal }

func (r received) Error() string { return r.String() + " signal received" }

// lastWord is what is left when a second signal ends the process.
type lastWord struct{ left atomic.Pointer[func() string] }

type lastWordKey struct{}

func (w *lastWord) text() string {
	if left := w.left.Load(); left != nil {
		return (*left)()
	}
	return "What it was about to do may be done or not: look at `batch status`"
}

// onSecondSignal has left said of what a second signal leaves.
func onSecondSignal(ctx context.Context, left func() string) {
	if w, ok := ctx.Value(lastWordKey{}).(*lastWord); ok {
		w.left.Store(&left)
	}
}

// run is the program but for signals and the exit code's delivery, so that
// tests take the same path.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	root := app{env: config.LookupIn(environ), environ: environ, stdout: stdout, stderr: stderr}.rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return billing.ExitDone
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintf(stderr, "batch: %v\n", exit.err)
		}
		return exit.code
	}
	fmt.Fprintf(stderr, "batch: %v\n", err)
	return billing.ExitError
}

func (a app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "batch",
		Short: "Send pending invoices to a billing API, each of them once",
		Long: `batch sends the pending invoices of a PostgreSQL table to a billing API, each
of them once, however many batches run at the same time and whichever of them
dies. It is configured by environment variables: see ` + "`batch help environment`" + `.`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Version:                    thisBuild().String(),
		Args:                       noSuchCommand,
		SuggestionsMinimumDistance: 2, // as cobra has it for commands without Args
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(
		a.runCommand(), a.migrateCommand(), a.seedCommand(),
		a.serveCommand(), a.statusCommand(), a.resolveCommand(), a.reconcileCommand(), a.pauseCommand(), a.resumeCommand(), a.historyCommand(), a.pruneCommand(),
		a.doctorCommand(), a.demoCommand(), a.compareCommand(), a.fakeAPICommand(),
		&cobra.Command{
			Use:   "environment",
			Short: "The environment variables that configure batch (batch help environment)",
			Long:  config.Help(),
			Args:  cobra.NoArgs,
			RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		},
	)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w; see `%s --help`", plainFlagError(err), cmd.CommandPath()))
	})
	markUsageErrors(root)
	return root
}

// noSuchCommand is asked about what is left of the arguments where no command was found.
func noSuchCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if meant := root.SuggestionsFor(args[0]); len(meant) > 0 {
		return fmt.Errorf("there is no command %q; did you mean %s", args[0], "`batch "+strings.Join(meant, "` or `batch ")+"`")
	}
	return fmt.Errorf("there is no command %q", args[0])
}

// markUsageErrors gives wrong arguments the exit code of wrong flags.
func markUsageErrors(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usage(fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath()))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		markUsageErrors(sub)
	}
}
