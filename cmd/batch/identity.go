package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/desk/pgdesk"
	"github.com/billonce/billonce/internal/words"
)

// livingPoll is how often runs that live through a fail-over are looked for.
const livingPoll = 250 * time.Millisecond

// awaitLiving waits, for at most LINGER, for the runs that live through a fail-over: they
// know what it has lost, and the run lock is theirs meanwhile.
func (e *execution) awaitLiving(ctx context.Context, lock *pgstore.KeptRunLock) (*pgstore.KeptRunLock, error) {
	// Without keys the run would be refused, where a moment later it is not.
	all := !e.config.BillingIdempotent
	living, err := e.store.Living(ctx, all)
	if err != nil || len(living) == 0 {
		return lock, err
	}
	e.log.Info().Str("event", "awaits_living_runs").Strs("runs", living[:min(len(living), livingNamed)]).Str("linger", e.config.Linger.String()).
		Msg("the database was failed over: waiting for the unfinished runs, which may know what it has lost")
	if err := releaseRunLock(ctx, lock); err != nil {
		return nil, err
	}
	over := time.NewTimer(e.config.Linger)
	defer over.Stop()
	again := time.NewTicker(livingPoll)
	defer again.Stop()
	for waiting := true; waiting && len(living) > 0; {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-over.C:
			waiting = false
		case <-again.C:
			if living, err = e.store.Living(ctx, all); err != nil {
				return nil, err
			}
		}
	}
	return e.acquireRunLock(ctx)
}

const livingNamed = 20

// checkIdentity holds the database against the one that the ledger trusts. Where it is
// another one, it may have forgotten what was sent (a restored backup, a copy, a fail-over
// that lost commits): the run goes on only where keys make a repeat harmless, and is told
// since when requests may be forgotten.
func (e *execution) checkIdentity(ctx context.Context) (since time.Time, err error) {
	now, accepted, err := e.store.Identity(ctx)
	if err != nil {
		return since, err
	}
	e.store.Home(now, e.config.FailoverLosesCommits)
	switch {
	case accepted == nil && now == billing.Identity{}:
		return since, nil
	case accepted == nil:
		return since, e.store.AcceptIdentity(ctx, now, billing.ByRun, "the ledger's first run")
	case now.Same(*accepted, !e.config.FailoverLosesCommits):
		return since, nil
	}
	newest, age, err := e.store.FoundIdentity(ctx, now)
	if err != nil {
		return since, err
	}
	what := "this database may have forgotten what was sent: " + now.Since(*accepted) + ". The newest request that it knows was sent at " + words.Stamp(newest)
	if c := e.config; c.BillingIdempotent && billing.KeyAlive(age, c.BillingIdempotencyTTL-c.BillingTimeout) {
		e.log.Warn().Str("event", "another_database").Time("newest_sent_at", newest).Msg(what + ". Going on, since the API honours idempotency keys")
		return time.Now().Add(-age), nil
	}
	return since, &exitError{billing.ExitRefused, fmt.Errorf("%s. Nothing was sent%s. Compare with the billing API's own list: `batch reconcile FILE --adopt`; "+
		"then: `batch resume --accept-database --reason …`%s. It is %s; the ledger trusts %s", what, e.couldBeTwice(ctx), afterFailover(now, *accepted), now, *accepted)}
}

// couldBeTwice says how much may have been billed before; nothing where it can't be counted.
func (e *execution) couldBeTwice(ctx context.Context) string {
	could, err := e.countSendable(ctx)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(". Pending: %s, and any of them may have been billed since", could)
}

// countSendable counts for a person what this run could send.
func (e *execution) countSendable(ctx context.Context) (could desk.Sendable, err error) {
	d, err := pgdesk.Open(ctx, pgstore.Unprepared(e.db.main), e.config.deskBook())
	if err != nil {
		return could, err
	}
	could, err = d.CountSendable(ctx, e.flags.only)
	return could, errors.Join(err, d.Close(ctx))
}

// afterFailover is advice where only the timeline is another one.
func afterFailover(now, accepted billing.Identity) string {
	if !now.Same(accepted, true) {
		return ""
	}
	return ". If a fail-over loses no commits here (synchronous replication, shared storage), set FAILOVER_LOSES_COMMITS=false"
}

// acceptIdentity has the ledger trust the database, once a run that nothing limited has
// gone through all of it.
func (e *execution) acceptIdentity(ctx context.Context, s billing.Summary, code int) {
	limited := e.config.RunLimit > 0 || len(e.flags.only) > 0 || e.flags.maxPending > 0 || s.Stopped != ""
	untried := s.Unrendered+s.SetAside > 0 || s.HeldByDoubt > 0 // some of those, it may be
	if limited || untried || code != billing.ExitDone && code != billing.ExitPerson {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := e.store.Accept(ctx, "a run under idempotency keys went through all of it"); err != nil {
		e.log.Warn().Err(err).Msg("the next run asks again whether the database has forgotten something")
	}
}
