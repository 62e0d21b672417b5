package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"billonce/internal/billing/billingfake"
	"billonce/internal/words"
)

const (
	fakeAPIShutdown = 5 * time.Second
	childPatience   = 2 * time.Minute
	invoicePath     = "/v1/invoices/{id}/send"
)

type fakeAPIFlags struct {
	addr       string
	idempotent bool
	latency    time.Duration
	faults     string
	seed       int64
}

func (a app) fakeAPICommand() *cobra.Command {
	var f fakeAPIFlags
	cmd := &cobra.Command{
		Use:   "fake-api [flags] [-- command …]",
		Short: "Serve a fake billing API that counts what it was asked and what it did",
		Long: `fake-api serves a billing API on loopback for trying things out. It keeps its own
ledger of requests and effects, printed as it ends and served at /ledger.

With a command behind --, it runs that command with BILLING_URL set to itself,
and ends with it:  batch fake-api -- batch run`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.fakeAPI(cmd.Context(), f, args) },
	}
	cmd.Flags().StringVar(&f.addr, "addr", "127.0.0.1:0", "address to listen on; port 0: any free one")
	cmd.Flags().BoolVar(&f.idempotent, "idempotent", false, "honour Idempotency-Key")
	cmd.Flags().DurationVar(&f.latency, "latency", 0, "time that each charge takes")
	cmd.Flags().StringVar(&f.faults, "faults", "", "faults and their probabilities, for example apply_then_500=0.05,reset_before_apply=0.01; names: "+strings.Join(billingfake.FaultNames(), ", "))
	cmd.Flags().Int64Var(&f.seed, "seed", 1, "seed of the faults")
	return cmd
}

func (a app) fakeAPI(ctx context.Context, f fakeAPIFlags, command []string) (err error) {
	config := billingfake.Config{Idempotent: f.idempotent, Latency: f.latency}
	if f.faults != "" {
		if config.Fault, err = billingfake.ParseFaults(f.faults, f.seed); err != nil {
			return usage(fmt.Errorf("--faults: %w", err))
		}
	}
	api := billingfake.New(config)
	server, err := billingfake.Listen(f.addr, api)
	if err != nil {
		return err
	}
	defer func() {
		shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), fakeAPIShutdown)
		defer cancel()
		err = errors.Join(err, server.Close(shutdown), a.printLedger(api))
	}()
	url := server.URL() + invoicePath
	if len(command) > 0 {
		return a.runBeside(ctx, url, command)
	}
	fmt.Fprintf(a.stdout, "The fake billing API listens. Use it with\n  BILLING_URL='%s'\nIts ledger: %s/ledger\n", url, server.URL())
	<-ctx.Done()
	return nil
}

// runBeside runs a command against the API. Its exit code becomes ours.
func (a app) runBeside(ctx context.Context, url string, command []string) error {
	child := exec.CommandContext(ctx, command[0], command[1:]...)
	child.Env = append(append([]string{}, a.environ...), "BILLING_URL="+url)
	child.Stdout, child.Stderr = a.stdout, a.stderr
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = childPatience
	err := child.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return &exitError{code: exit.ExitCode()}
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", strings.Join(command, " "), err)
	}
	return nil
}

// printLedger says in words what the API's own account is.
func (a app) printLedger(api *billingfake.API) error {
	sum := api.Summary()
	text := fmt.Sprintf("The billing API's own account: %s requests for %s invoices; %s billed, %s of them more than once.",
		words.Count(sum.Requests), words.Count(sum.Invoices), words.Count(sum.Billed), words.Count(len(sum.Duplicates)))
	if sum.Replays > 0 {
		text += fmt.Sprintf(" %s repeats were recognised by their keys.", words.Count(sum.Replays))
	}
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}
