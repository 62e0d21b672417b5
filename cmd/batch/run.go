package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/config"
	"github.com/billonce/billonce/internal/metrics"
	"github.com/billonce/billonce/internal/notify"
	"github.com/billonce/billonce/internal/tracing"
)

func (a app) runCommand() *cobra.Command {
	var flags runFlags
	var only []string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Send the pending invoices: what the CronJob starts",
		Long: `run sends every pending invoice of INVOICES_TABLE to BILLING_URL once, and ends
when nothing is left that it could send. Any number of runs may be started at
the same moment. The environment configures it: see ` + "`batch help environment`" + `.
Its flags are for people.` + "\n" + config.ExitCodes(),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("max-pending") && flags.maxPending < 1 {
				return usage(fmt.Errorf("--max-pending %d: write how many this run may send, from 1 on", flags.maxPending))
			}
			c, err := a.settings(config.Database | config.Billing)
			if err != nil {
				if !flags.dryRun {
					(&execution{app: a, config: c, teller: notify.New(c.tell), log: zerolog.Nop()}).tellOfNoRun(cmd.Context(), exitCodeOf(err))
				}
				return a.refuse(err)
			}
			if flags.only, err = parseOnly(cmd.Flags().Changed("only"), only); err != nil {
				return err
			}
			code, err := a.batchRun(cmd.Context(), c, flags)
			if code == billing.ExitDone && err == nil {
				return nil
			}
			return &exitError{code, err}
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", nil, "send these invoices alone, if they are pending: 42,43")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "show what would be sent, and test the look-up; nothing is locked, recorded or sent")
	cmd.Flags().IntVar(&flags.maxPending, "max-pending", 0, "let this run send up to so many, whatever RUN_MAX_PENDING says")
	return cmd
}

// runFlags are what a person may want of one run; a CronJob wants none of it.
type runFlags struct {
	dryRun     bool
	maxPending int                 // 0: RUN_MAX_PENDING stands
	only       []billing.InvoiceID // none: all that are pending
}

// execution is one run on its way from configuration to exit code.
type execution struct {
	app
	config settings
	flags  runFlags
	id     uuid.UUID
	view   *terminal
	log    zerolog.Logger
	client *billinghttp.Client
	db     *database
	store  *pgstore.Store
	// forgotten: since when the database may have forgotten what was sent; zero: it has not.
	forgotten time.Time
	teller    *notify.Teller
}

func (a app) batchRun(ctx context.Context, c settings, flags runFlags) (int, error) {
	view := newTerminal(a.stderr, c)
	defer view.close()
	e := &execution{app: a, config: c, flags: flags, id: uuid.New(), view: view, teller: notify.New(c.tell)}
	e.log = a.named(view.logger(c).With().Str("run_id", e.id.String()), c)
	code, err := bounded(ctx, c.DrainTimeout, func(ctx context.Context) (int, error) {
		code, err := e.execute(ctx)
		if err != nil && !flags.dryRun {
			e.tellOfNoRun(ctx, code)
		}
		return code, err
	})
	if err != nil && code == billing.ExitError && ctx.Err() != nil {
		code, err = billing.ExitStopped, fmt.Errorf("stopped before it began: %w", context.Cause(ctx))
	}
	if err != nil {
		err = lastError(view, e.log, code, err)
	}
	return code, err
}

func (e *execution) execute(ctx context.Context) (code int, err error) {
	c := e.config
	client, err := billinghttp.New(c.api)
	if err != nil {
		return billing.ExitUsage, err
	}
	defer client.Close()
	e.client = client
	for _, w := range append(c.Warnings(), client.Warnings()...) {
		e.log.Warn().Msg(w)
	}
	e.log.Debug().Any("config", c.Redacted()).Msg("configuration")

	if e.db, err = e.openDatabase(ctx, c); err != nil {
		return exitCodeOf(err), err
	}
	defer func() {
		if cerr := e.db.close(); cerr != nil && err == nil {
			code, err = billing.ExitError, cerr
		}
		err = e.db.explain(e.db.explainRights(err))
	}()
	if err := e.openStore(ctx); err != nil {
		return exitCodeOf(err), err
	}
	defer e.closeStore(ctx)
	if err := checkOnly(ctx, e.log, c, e.db, e.flags.only); err != nil {
		return exitCodeOf(err), err
	}
	if e.flags.dryRun {
		return e.rehearse(ctx)
	}
	return e.underLock(ctx)
}

// underLock is the part of a run that happens under the run lock.
func (e *execution) underLock(ctx context.Context) (int, error) {
	lock, err := e.acquireRunLock(ctx)
	if err == nil && e.config.FailoverLosesCommits {
		lock, err = e.awaitLiving(ctx, lock)
	}
	var held *advisory.HeldError
	switch {
	case errors.As(err, &held):
		e.log.Info().Str("event", "run_lock_held_by_another").Str("run_name", e.config.RunName).Any("holders", held.Holders).Msg("nothing to do: " + held.Error())
		return billing.ExitDone, nil
	case err != nil && ctx.Err() != nil:
		return billing.ExitStopped, fmt.Errorf("stopped while waiting for the run lock: %w", context.Cause(ctx))
	case err != nil:
		return exitCodeOf(err), err
	}
	if pause, err := e.store.Paused(ctx); err != nil || pause != nil {
		rerr := releaseRunLock(ctx, lock)
		if err = errors.Join(err, rerr); err != nil {
			return exitCodeOf(err), err
		}
		e.log.Warn().Str("event", "paused").Str("by", pause.By).Time("since", pause.At).Str("reason", pause.Reason).
			Msg("nothing to do: this book is paused; `batch resume` ends it")
		e.tellOfPause(ctx)
		return e.stillOpen(ctx)
	}
	e.forgotten, err = e.checkIdentity(ctx)
	if err != nil {
		return exitCodeOf(err), errors.Join(err, releaseRunLock(ctx, lock))
	}
	e.teller.PingStart(ctx, func(err error) { e.log.Warn().Err(err).Msg("the dead man's switch did not hear of this run's start") })
	traced := e.startTrace(ctx, e.log, e.config, e.id.String(), e.client)
	sends, summary, m, err := e.run(traced.Context(ctx), lock, traced)
	rerr := releaseRunLock(ctx, lock)
	if err != nil {
		traced.End(ctx, exitCodeOf(err), summary)
		return exitCodeOf(err), errors.Join(err, rerr)
	}
	e.keepSetAside(ctx, summary.FoundSetAside)
	if summary.LeftSending {
		e.store.FindLeftOver(ctx)
	}
	e.countOpen(ctx, &summary)
	code := summary.ExitCode()
	if rerr != nil {
		e.log.Warn().Err(rerr).Msg("this run lost its run lock before it ended")
		if code == billing.ExitDone {
			code = billing.ExitStopped
		}
	}
	if sends.Repeated() {
		e.acceptIdentity(ctx, summary, code)
	}
	if code, err = e.finish(ctx, sends, code, summary); err != nil {
		e.log.Warn().Err(err).Msg("can't record the end of this run in the ledger")
	}
	m.Finish(metrics.End{Summary: summary, Code: code, At: time.Now(), Database: e.store.Where(), Pending: countLeft(ctx, e.log, e.config, summary, e.store.CountPending)})
	e.tell(ctx, code, summary, m, traced)
	e.view.close()
	reportEnd(e.view, e.log, summary, code)
	return code, nil
}

// finish records the run's end. Where the database was failed over since the engine has
// looked, what was lost is written again first.
func (e *execution) finish(ctx context.Context, sends *engine.Run, code int, s billing.Summary) (int, error) {
	if !sends.Halted() { // else other runs would take it that this one has nothing to write again
		if err := e.store.FinishRun(ctx, code, s); !errors.Is(err, billing.ErrFailedOver) {
			return code, err
		}
	}
	if refused := sends.Stands(ctx); refused != nil {
		return exitCodeOf(refused), refused
	}
	return code, e.store.FinishRun(ctx, code, s)
}

// run sends what is pending.
func (e *execution) run(ctx context.Context, lock *pgstore.KeptRunLock, traced *tracing.Run) (sends *engine.Run, s billing.Summary, m *metrics.Metrics, err error) {
	if lock != nil {
		if err := lock.ShareRoom(ctx); err != nil {
			return nil, s, nil, err
		}
	}
	c := e.config
	cfg, err := e.engineConfig(ctx)
	if err != nil {
		return nil, s, nil, err
	}
	tally := &billing.Tally{}
	m = metrics.New(tally)
	onSecondSignal(ctx, func() string { return e.view.left(tally) })
	defer serveMetrics(ctx, e.log, e.config.MetricsAddr, m)()
	if err := e.store.ConnectAll(ctx); err != nil {
		return nil, s, nil, err
	}
	if err := e.store.TryMark(ctx); err != nil {
		return nil, s, nil, err
	}
	settings := c.Fingerprint()
	standing, err := e.store.ReadStanding(ctx, settings)
	if err != nil {
		return nil, s, nil, err
	}
	cfg.NotBefore, cfg.Canary, cfg.WantsID = standing.Wait, e.canary(settings, standing), c.BillingReplyID != ""
	e.sayWait(standing.Wait)
	could, err := e.refuseTooMany(ctx)
	if err != nil {
		return nil, s, nil, err
	}
	err = e.store.StartRun(ctx, pgstore.RunRecord{
		Name: e.config.RunName, Strategy: e.config.LockStrategy, RunLock: e.config.RunLock,
		Application: e.applicationName(e.config), Version: version(),
		Settings: settings, Job: c.JobName, CouldSend: could, MarkSent: c.InvoicesMarkSent, Pending: c.InvoicesPending,
	})
	if err != nil {
		return nil, s, nil, err
	}
	if e.forgotten.IsZero() { // else one that died may have sent what was lost, and those that live wait for it
		e.store.WriteOff(ctx, e.config.RunName, e.config.RunLock == "exclusive")
	}
	if err := e.view.showProgress(ctx, e.store.CountPending, tally, e.config.RunLimit); err != nil {
		e.log.Warn().Err(err).Msg("no progress is shown")
	}
	ports := engine.Ports{
		Scanner: e.store, NewClaimer: func() engine.Claimer { return traced.Claimer(e.store.NewClaimer()) },
		Ledger: traced.Ledger(e.store), Unmarked: e.store, Renderer: e.client, Keeper: e.client, Kept: e.store, Sender: traced.Sender(m.Sender(e.client)), LookUp: e.client, Tests: e.store,
		Standing: e.store, Submitted: e.store, LookUps: e.client, Failover: e.store,
	}
	if lock != nil {
		ports.RunLock, ports.Rate, ports.Rest = lock, lock, lock
	}
	if c.InvoicesOnePer != "" {
		ports.Values = e.store
	}
	sends = engine.New(cfg, ports, tally, e.log)
	return sends, sends.Do(ctx), m, nil
}

func (e *execution) engineConfig(ctx context.Context) (engine.Config, error) {
	c := e.config
	ledger, err := e.store.LedgerID(ctx)
	if err != nil {
		return engine.Config{}, fmt.Errorf("read the ledger's identity: %w", err)
	}
	size := e.store.ClaimSize(c.ClaimSize)
	return engine.Config{
		RunID: e.id, LedgerID: ledger, Forgotten: e.forgotten,
		Claims: pgstore.Claims, MostClaims: e.store.MostClaims(size), ClaimSize: size,
		SettlesLate: c.LockStrategy == "row", Concurrency: c.Concurrency,
		Spread: c.RunLock != "exclusive", Place: e.startingPlace(),
		Idempotent: c.BillingIdempotent, KeyTTL: c.BillingIdempotencyTTL, HasLookup: c.BillingLookupURL != "", LookUpAfter: c.BillingLookupAfter, LookUpBy: e.client.LookUpSettings(),
		LookUpByReply: e.client.LooksUpByReply(), SubmittedFor: c.BillingSubmittedFor,
		Timeout: c.BillingTimeout, MaxAttempts: c.BillingMaxAttempts, Rate: c.BillingRate.PerSecond, Breaker: c.BillingBreaker,
		Deadline: c.RunDeadline, Limit: c.RunLimit, Linger: c.Linger, Drain: c.DrainTimeout,
	}, nil
}
