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

type fakeAPIFlags struct {
	addr       string
	idempotent bool
	latency    time.Duration
	faults     string
	seed       int64

	dialect     string
	client      string
	tokenLife   time.Duration
	keyTTL      time.Duration
	lookup      string
	reply       string
	rate, quota string
	atOnce      int
	limitStatus int
	limitSays   string

	acceptLater   time.Duration
	neverPercent  float64
	rejectPercent float64
	rejectStatus  int
	alreadySent   int
}

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

// addPeerFlags adds what tells one API from another.
func (f *fakeAPIFlags) addPeerFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.dialect, "dialect", "", "take idempotency keys as a real API does, and refuse requests without one: "+strings.Join(billingfake.DialectNames(), ", "))
	flags.StringVar(&f.client, "client", "", "ID:SECRET of a client that has to get a token first, by OAuth client credentials at /oauth/token")
	flags.DurationVar(&f.tokenLife, "token-life", time.Hour, "with --client: how long a token is good")
	flags.DurationVar(&f.keyTTL, "key-ttl", 0, "how long a key is remembered; 0: for ever")
	flags.StringVar(&f.lookup, "lookup", "resource", "what a look-up answers: "+strings.Join(billingfake.LookupNames(), ", "))
	flags.StringVar(&f.reply, "reply", "", "body of a success, as your API writes it, for example {\"status\":\"COMPLETED\"}: what your rules ask about")
	flags.StringVar(&f.rate, "rate", "", "requests that are taken: 25 (a second), 60/m, 5000/h; more are throttled")
	flags.IntVar(&f.atOnce, "at-once", 0, "requests that are taken at the same time; 0: any")
	flags.StringVar(&f.quota, "quota", "", "requests that are taken in a window from the first one on: 5000/d")
	flags.IntVar(&f.limitStatus, "limit-status", 429, "status of what is throttled")
	flags.StringVar(&f.limitSays, "limit-says", "retry_after", "headers that say when to come back, with commas between them: "+strings.Join(billingfake.NoticeNames(), ", "))
	flags.DurationVar(&f.acceptLater, "accept-later", 0, "answer 202, and act after this time; until then the look-up says processing")
	flags.Float64Var(&f.neverPercent, "never-percent", 0, "with --accept-later: the part of the invoices that stay in processing")
	flags.Float64Var(&f.rejectPercent, "reject-percent", 0, "the part of the invoices that is rejected: at once, or with --accept-later in the look-up")
	flags.IntVar(&f.rejectStatus, "reject-status", 402, "status of a rejection; 200: the body's errors say it")
	flags.IntVar(&f.alreadySent, "already-sent", 0, "status for an invoice that was billed before, whatever its key, for example 409; 0: bill it again")
}

// config is the API that the flags describe.
func (f fakeAPIFlags) config() (billingfake.Config, error) {
	c := billingfake.Config{Idempotent: f.idempotent, Latency: f.latency, KeyTTL: f.keyTTL}
	if f.reply != "" {
		c.Body = []byte(f.reply)
	}
	if err := errors.Join(f.setFaults(&c), f.setDialect(&c), f.setLimits(&c), f.setTraits(&c)); err != nil {
		return billingfake.Config{}, usage(err)
	}
	return c, nil
}

func (f fakeAPIFlags) setFaults(c *billingfake.Config) (err error) {
	if f.faults == "" {
		return nil
	}
	if c.Fault, err = billingfake.ParseFaults(f.faults, f.seed); err != nil {
		return fmt.Errorf("--faults: %w", err)
	}
	return nil
}

func (f fakeAPIFlags) setDialect(c *billingfake.Config) (err error) {
	if f.dialect != "" {
		if c.Dialect, err = billingfake.ParseDialect(f.dialect); err != nil {
			return fmt.Errorf("--dialect: %w", err)
		}
	}
	if f.client != "" {
		id, secret, found := strings.Cut(f.client, ":")
		if !found || f.tokenLife < time.Second {
			return errors.New("--client ID:SECRET, and --token-life from 1s on")
		}
		c.Tokens = billingfake.NewTokens(billingfake.Client{ID: id, Secret: secret, Life: f.tokenLife}, nil)
	}
	if f.keyTTL < 0 {
		return fmt.Errorf("--key-ttl %s: write a time from 0 on", f.keyTTL)
	}
	if c.Lookup, err = billingfake.ParseLookup(f.lookup); err != nil {
		return fmt.Errorf("--lookup: %w", err)
	}
	return nil
}

func (f fakeAPIFlags) setLimits(c *billingfake.Config) (err error) {
	if f.atOnce < 0 {
		return fmt.Errorf("--at-once %d: write a number from 0 on", f.atOnce)
	}
	if f.atOnce > 0 {
		c.Limits = append(c.Limits, billingfake.NewAtOnce(f.atOnce))
	}
	if f.rate != "" {
		rate, err := billingfake.ParseRate(f.rate)
		if err != nil {
			return fmt.Errorf("--rate: %w", err)
		}
		c.Limits = append(c.Limits, billingfake.NewRateLimit(rate))
	}
	if f.quota != "" {
		quota, err := billingfake.ParseRate(f.quota)
		if err != nil {
			return fmt.Errorf("--quota: %w", err)
		}
		c.Limits = append(c.Limits, billingfake.NewQuota(quota))
	}
	c.Throttling.Status = f.limitStatus
	if err := checkStatus("--limit-status", f.limitStatus, 400); err != nil {
		return err
	}
	if c.Throttling.Says, err = billingfake.ParseNotices(f.limitSays); err != nil {
		return fmt.Errorf("--limit-says: %w", err)
	}
	return nil
}

func (f fakeAPIFlags) setTraits(c *billingfake.Config) error {
	if f.neverPercent > 0 && f.acceptLater == 0 {
		return errors.New("--never-percent: only what is accepted later can stay in processing; set --accept-later too")
	}
	if f.acceptLater < 0 {
		return fmt.Errorf("--accept-later %s: write a time from 0 on", f.acceptLater)
	}
	if f.alreadySent != 0 {
		if err := checkStatus("--already-sent", f.alreadySent, 400); err != nil {
			return err
		}
		c.Traits = append(c.Traits, billingfake.AlreadySent{Status: f.alreadySent})
	}
	if f.acceptLater > 0 {
		c.Traits = append(c.Traits, billingfake.AcceptLater{After: f.acceptLater, NeverPercent: f.neverPercent, Seed: f.seed})
	}
	if f.rejectPercent > 0 {
		c.Traits = append(c.Traits, billingfake.Reject{Percent: f.rejectPercent, Seed: f.seed, Status: f.rejectStatus})
	}
	return errors.Join(
		checkPercent("--never-percent", f.neverPercent),
		checkPercent("--reject-percent", f.rejectPercent),
		checkStatus("--reject-status", f.rejectStatus, 200),
	)
}

func checkStatus(flag string, status, least int) error {
	if status < least || status > 599 {
		return fmt.Errorf("%s %d: write a status from %d to 599", flag, status, least)
	}
	return nil
}

func checkPercent(flag string, percent float64) error {
	if !(percent >= 0 && percent <= 100) { // not (percent < 0 || …): NaN
		return fmt.Errorf("%s %g: write a number from 0 to 100", flag, percent)
	}
	return nil
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
