// Command batch sends pending invoices to a billing API, each of them once.
// See `batch help` and the README.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"billonce/internal/billing"
	"billonce/internal/config"
)

func main() {
	// net/http writes what a misbehaving server sent to the standard logger:
	// bytes that could hold an echo of our token, in a format of its own.
	log.SetOutput(io.Discard)
	if os.Getenv("GOGC") == "" {
		// The heap is a few MiB: collecting it half as often costs little room.
		debug.SetGCPercent(200)
	}
	os.Exit(run(untilSignal(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// untilSignal is a context that the first signal cancels. A second one ends the
// process at once, and not by the signal's default action: that doesn't end
// PID 1, and Go's runtime then exits with 2, our code for a wrong configuration.
func untilSignal() context.Context {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		cancel(fmt.Errorf("%s signal received", <-signals))
		<-signals
		os.Exit(billing.ExitStopped)
	}()
	return ctx
}

// run is the program but for signals and the exit code's delivery, so that
// tests take the same path.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	a := app{env: config.LookupIn(environ), environ: environ, stdout: stdout, stderr: stderr}
	root := a.rootCommand()
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

// app is what the commands share.
type app struct {
	env            func(string) (string, bool)
	environ        []string
	stdout, stderr io.Writer
}

// exitError is an error with an exit code of its own. Without err everything
// has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(err error) error { return &exitError{billing.ExitUsage, err} }

func (a app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "batch",
		Short: "Send pending invoices to a billing API, each of them once",
		Long: `batch sends the pending invoices of a PostgreSQL table to a billing API, each
of them once, however many batches run at the same time and whichever of them
dies. It is configured by environment variables: see ` + "`batch help environment`" + `.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       thisBuild().String(),
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(a.runCommand(), a.migrateCommand(), a.seedCommand(), a.statusCommand(), a.resolveCommand(), a.historyCommand(), a.pruneCommand(), a.fakeAPICommand(), a.doctorCommand(), a.demoCommand(), a.compareCommand())
	root.AddCommand(&cobra.Command{
		Use:   "environment",
		Short: "The environment variables that configure batch (batch help environment)",
		Long:  config.Help(),
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	})
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath()))
	})
	markUsageErrors(root)
	return root
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
