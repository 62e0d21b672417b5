package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"billonce/internal/advisory"
	"billonce/internal/billing"
	"billonce/internal/billing/billinghttp"
	"billonce/internal/billing/pgstore"
)

func (a app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Send the pending invoices: what the CronJob starts",
		Long: `run sends every pending invoice of INVOICES_TABLE to BILLING_URL once, and ends
when nothing is left that it could send. Any number of runs may be started at
the same moment. It takes no flags: see ` + "`batch help environment`" + `.` + "\n" + exitCodesHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.config(needDatabase | needBilling)
			if err != nil {
				return err
			}
			code, err := a.batchRun(cmd.Context(), c)
			if code == billing.ExitDone && err == nil {
				return nil
			}
			return &exitError{code, err}
		},
	}
}

// batchRun is one run from configuration to exit code.
func (a app) batchRun(ctx context.Context, c config) (code int, err error) {
	if err := c.book().Check(); err != nil {
		return billing.ExitUsage, err
	}
	client, err := billinghttp.New(c.http())
	if err != nil {
		return billing.ExitUsage, err
	}
	defer client.Close()
	id := uuid.New()
	view := newTerminal(a.stderr, c)
	defer view.close()
	log := view.logger(c).With().Str("run_id", id.String()).Logger()
	for _, w := range c.warnings() {
		log.Warn().Msg(w)
	}
	log.Debug().Any("config", c.redacted()).Msg("configuration")

	db, err := a.openDatabase(ctx, c)
	if err != nil {
		return exitCodeOf(err), err
	}
	defer func() {
		if cerr := db.close(); cerr != nil && err == nil {
			code, err = billing.ExitError, cerr
		}
	}()
	if err := prove(ctx, c, db); err != nil {
		return exitCodeOf(err), err
	}
	store, err := pgstore.Open(ctx, pgstore.Config{
		Conn: db.main, Book: c.book(), RunID: id, Strategy: c.LockStrategy, LongestRequest: c.BillingTimeout,
		Row: client.NeedsRow(), Columns: client.Columns(), Log: log,
	})
	if err != nil {
		return exitCodeOf(err), err
	}
	defer func() { err = errors.Join(err, store.Close(ctx)) }()
	return a.locked(ctx, c, db, store, client, view, log, id)
}

// locked is the part of a run that happens under the run lock.
func (a app) locked(ctx context.Context, c config, db *database, store *pgstore.Store, client *billinghttp.Client, view *terminal, log zerolog.Logger, id uuid.UUID) (int, error) {
	lock, err := acquireRunLock(ctx, c, db)
	var held *advisory.HeldError
	switch {
	case errors.As(err, &held):
		log.Info().Str("run_name", c.RunName).Any("holders", held.Holders).Msg("nothing to do: " + held.Error())
		return billing.ExitDone, nil
	case err != nil && ctx.Err() != nil:
		return billing.ExitStopped, fmt.Errorf("stopped while waiting for the run lock: %w", context.Cause(ctx))
	case err != nil:
		return billing.ExitError, err
	}
	summary, err := a.execute(ctx, c, store, client, view, log, id, lock)
	if err != nil {
		return billing.ExitError, errors.Join(err, releaseRunLock(ctx, lock))
	}
	code := summary.ExitCode()
	if err := store.FinishRun(ctx, code, summary); err != nil {
		log.Warn().Err(err).Msg("the run's end is not in the ledger; everything else is")
	}
	if err := releaseRunLock(ctx, lock); err != nil && code == billing.ExitDone {
		code = billing.ExitStopped
		log.Error().Err(err).Msg("the run lock was not ours any more as the run ended")
	}
	view.close()
	a.report(view, c, log, summary, code)
	return code, nil
}

func (a app) execute(ctx context.Context, c config, store *pgstore.Store, client *billinghttp.Client, view *terminal, log zerolog.Logger, id uuid.UUID, lock *advisory.SessionLock) (billing.Summary, error) {
	ledger, err := store.LedgerID(ctx)
	if err != nil {
		return billing.Summary{}, fmt.Errorf("read the ledger's identity: %w", err)
	}
	err = store.StartRun(ctx, pgstore.RunRecord{
		Name: c.RunName, Strategy: c.LockStrategy, RunLock: c.RunLock, Application: a.applicationName(), Version: version(),
	})
	if err != nil {
		return billing.Summary{}, err
	}
	runner := &billing.Runner{
		Config: c.runner(id, ledger),
		Ports: billing.Ports{
			Scanner: store, NewClaimer: store.NewClaimer, Looker: store, Intender: store, Settler: store,
			Renderer: client, Sender: client, Reconciler: client,
		},
		Log: log,
	}
	if err := view.showProgress(ctx, store, &runner.Tally, c.RunLimit); err != nil {
		return billing.Summary{}, err
	}
	var lost <-chan struct{}
	if lock != nil {
		lost = lock.Lost()
	}
	return runner.Run(ctx, lost), nil
}

func acquireRunLock(ctx context.Context, c config, db *database) (*advisory.SessionLock, error) {
	if c.RunLock == "off" {
		return nil, nil
	}
	mode := advisory.Exclusive
	if c.RunLock == "shared" {
		mode = advisory.Shared
	}
	lock, err := advisory.Acquire(ctx, advisory.Config{
		Conn: db.lock, Key: advisory.NewRunKey(c.RunName), Mode: mode, Wait: c.RunLockWait, LongestRequest: c.BillingTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("take the run lock %q: %w", c.RunName, err)
	}
	return lock, nil
}

func releaseRunLock(ctx context.Context, lock *advisory.SessionLock) error {
	if lock == nil {
		return nil
	}
	return lock.Release(context.WithoutCancel(ctx))
}

// prove shows that locks lock here, over the connections' very paths, before
// anything relies on them.
func prove(ctx context.Context, c config, db *database) error {
	err := withPair(ctx, db.main, func(a, b *pgx.Conn) error {
		if err := advisory.RefuseStandby(ctx, a); err != nil {
			return err
		}
		if err := advisory.ProveTransactionLocks(ctx, a, b); err != nil {
			return err
		}
		if c.RunLock == "off" || !db.sameServer {
			return nil
		}
		return advisory.ProveSessionLocks(ctx, a, b)
	})
	if err != nil || c.RunLock == "off" || db.sameServer {
		return err
	}
	return withPair(ctx, db.lock, func(a, b *pgx.Conn) error { return advisory.ProveSessionLocks(ctx, a, b) })
}

func withPair(ctx context.Context, cfg *pgx.ConnConfig, f func(a, b *pgx.Conn) error) (err error) {
	var pair [2]*pgx.Conn
	for i := range pair {
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return fmt.Errorf("connect to the database: %w", err)
		}
		defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
		pair[i] = conn
	}
	return f(pair[0], pair[1])
}

func exitCodeOf(err error) int {
	var exit *exitError
	var unsafe *advisory.UnsafeError
	switch err = configurationFault(err); {
	case errors.As(err, &unsafe):
		return billing.ExitRefused
	case errors.As(err, &exit):
		return exit.code
	}
	return billing.ExitError
}

func (c config) http() billinghttp.Config {
	return billinghttp.Config{
		URL: c.BillingURL, LookupURL: c.BillingLookupURL, Method: c.BillingMethod, Header: http.Header(c.BillingHeaders),
		Token: c.BillingToken, Body: c.BillingBody, Success: c.BillingSuccess, Timeout: c.BillingTimeout,
		Concurrency: c.Concurrency, UserAgent: "billonce/" + version(),
	}
}

// rowClaimsPerRun keeps row claims small: nobody else may touch their invoices
// until the slowest of their requests has ended.
const rowClaimsPerRun = 2

func (c config) runner(id, ledger uuid.UUID) billing.Config {
	size := c.ClaimSize
	if c.LockStrategy == "row" {
		size = min(size, max(1, c.Concurrency/rowClaimsPerRun))
	}
	return billing.Config{
		RunID: id, LedgerID: ledger,
		Lanes: pgstore.Lanes, ClaimSize: size, Concurrency: c.Concurrency, Spread: c.RunLock != "exclusive",
		Idempotent: c.BillingIdempotent, KeyTTL: c.BillingIdempotencyTTL, HasLookup: c.BillingLookupURL != "",
		Timeout: c.BillingTimeout, MaxAttempts: c.BillingMaxAttempts, Rate: c.BillingRate, Breaker: c.BillingBreaker,
		Deadline: c.RunDeadline, Limit: c.RunLimit, Linger: c.Linger, Drain: c.DrainTimeout,
	}
}
