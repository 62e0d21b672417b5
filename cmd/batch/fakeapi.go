package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/billonce/billonce/internal/billing/billingfake"
	books "github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/words"
)

const (
	fakeAPIShutdown = 5 * time.Second
	childPatience   = 2 * time.Minute
)

func (a app) fakeAPICommand() *cobra.Command {
	var f fakeAPIFlags
	cmd := &cobra.Command{
		Use:   "fake-api [flags] [-- command …]",
		Short: "Serve a fake billing API that counts what it was asked and what it did",
		Long: `fake-api serves a billing API on loopback for trying things out. It keeps its own
ledger of requests and effects, printed as it ends and served at /ledger.

It behaves as told, to rehearse what an API of yours does: how it takes keys
(--dialect), what it takes (--rate, --at-once, --quota), what it refuses
(--reject-percent, --already-sent), whether it acts later (--accept-later), what its
look-up says (--lookup), and what gets lost on the way (--faults). All of these can
be combined. GET /v1/invoices/ID or /v1/invoices?invoice=ID looks up.

With a command behind --, it runs that command with BILLING_URL set to itself, and
BILLING_LOOKUP_URL too where that is set (with --client BILLING_OAUTH_…, too), and ends
with it:
batch fake-api -- batch run`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.fakeAPI(cmd.Context(), f, args) },
	}
	cmd.Flags().StringVar(&f.addr, "addr", "127.0.0.1:0", "address to listen on; port 0: any free one")
	cmd.Flags().BoolVar(&f.idempotent, "idempotent", false, "honour Idempotency-Key")
	cmd.Flags().DurationVar(&f.latency, "latency", 0, "time that each charge takes")
	cmd.Flags().StringVar(&f.faults, "faults", "", "faults and their probabilities, for example apply_then_500=0.05,reset_before_apply=0.01; names: "+strings.Join(billingfake.FaultNames(), ", "))
	cmd.Flags().Int64Var(&f.seed, "seed", 1, "seed of the faults and of what is rejected or never comes")
	f.addPeerFlags(cmd)
	return cmd
}

func (a app) fakeAPI(ctx context.Context, f fakeAPIFlags, command []string) (err error) {
	peer, err := f.config()
	if err != nil {
		return err
	}
	api := billingfake.New(peer)
	server, err := billingfake.Listen(f.addr, api)
	if err != nil {
		return err
	}
	defer func() {
		shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), fakeAPIShutdown)
		defer cancel()
		err = errors.Join(err, server.Close(shutdown), a.printLedger(api))
	}()
	if len(command) > 0 {
		return a.runBeside(ctx, f.urls(server.URL(), config.LookupIn(a.environ)), command)
	}
	fmt.Fprintf(a.stdout, "The fake billing API listens. Use it with\n  BILLING_URL='%s/v1/invoices/{id}/send'\nIts ledger: %[1]s/ledger\n", server.URL())
	<-ctx.Done()
	return nil
}

// urls are the environment of a command that is run against the API. A look-up that
// went on asking the real one would have it that nothing was billed.
func (f fakeAPIFlags) urls(server string, env func(string) (string, bool)) []string {
	column := "id"
	if name, _ := env("INVOICES_ID"); name != "" {
		if parsed, err := books.ParseName(name, 1); err == nil { // else the command says what is wrong with it
			column = parsed[0]
		}
	}
	resource := server + "/v1/invoices/{" + column + "}"
	send := resource + "/send"
	own, _ := env("BILLING_URL")
	if _, query, found := strings.Cut(own, "?"); found { // some APIs take the key there
		send += "?" + query
	}
	urls := []string{"BILLING_URL=" + send}
	if f.client != "" {
		id, secret, _ := strings.Cut(f.client, ":")
		urls = append(urls, "BILLING_OAUTH_TOKEN_URL="+server+"/oauth/token", "BILLING_OAUTH_CLIENT_ID="+id, "BILLING_OAUTH_CLIENT_SECRET="+secret)
	}
	lookup, _ := env("BILLING_LOOKUP_URL")
	switch {
	case lookup == "":
	case f.lookup == "search":
		urls = append(urls, "BILLING_LOOKUP_URL="+server+"/v1/invoices?invoice={"+column+"}")
	default:
		urls = append(urls, "BILLING_LOOKUP_URL="+resource)
	}
	return urls
}

// runBeside runs a command against the API. Its exit code becomes ours.
func (a app) runBeside(ctx context.Context, urls, command []string) error {
	child := exec.CommandContext(ctx, command[0], command[1:]...)
	child.Env = append(append([]string{}, a.environ...), urls...)
	child.Stdout, child.Stderr = a.stdout, a.stderr
	child.Cancel = func() error {
		if errors.Is(context.Cause(ctx), received{os.Interrupt}) && term.IsTerminal(int(os.Stdin.Fd())) {
			return nil // Ctrl-C was the child's, too: one more signal would end it at once
		}
		return child.Process.Signal(syscall.SIGTERM)
	}
	onSecondSignal(ctx, func() string { return "The API's own account is not shown" })
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
	text := fmt.Sprintf("The billing API's own account: %s for %s; %s billed, %s of them more than once.",
		words.Plural(sum.Requests, "request"), words.Plural(sum.Invoices, "invoice"), words.Count(sum.Billed), words.Count(len(sum.Duplicates)))
	if sum.Replays > 0 {
		text += fmt.Sprintf(" %s repeats were recognised by their keys.", words.Count(sum.Replays))
	}
	for _, part := range []struct {
		n    int
		what string
	}{
		{sum.Throttled, "were throttled"},
		{sum.BadKeys, "had no key that it takes"},
		{sum.Mismatches, "came under the key of another request"},
		{sum.Submitted, "were accepted to be done later"},
		{sum.Rejected, "were rejected"},
	} {
		if part.n > 0 {
			text += fmt.Sprintf(" %s %s.", words.Count(part.n), part.what)
		}
	}
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}
