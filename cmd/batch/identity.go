package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"billonce/internal/billing"
	"billonce/internal/words"
)

// checkIdentity holds the database against the one that the ledger trusts. Where it is
// another one, it may have forgotten what was sent (a restored backup, a copy, a fail-over
// that lost commits): the run goes on only where keys make a repeat harmless, and is told so.
func (e *execution) checkIdentity(ctx context.Context) (forgotten bool, err error) {
	now, accepted, err := e.store.Identity(ctx)
	if err != nil {
		return false, err
	}
	e.store.Home(now, e.config.FailoverLosesCommits)
	switch {
	case accepted == nil && now == billing.Identity{}:
		return false, nil
	case accepted == nil:
		return false, e.store.AcceptIdentity(ctx, now, "batch run", "the ledger's first run")
	case now.Same(*accepted, !e.config.FailoverLosesCommits):
		return false, nil
	}
	newest, age, err := e.store.FoundIdentity(ctx, now)
	if err != nil {
		return false, err
	}
	what := fmt.Sprintf("this database may have forgotten what was sent: it is not the one that the ledger trusts "+
		"(a restored backup, a copy, or a fail-over that lost commits). It is %s; the ledger trusts %s. The newest request that it knows was sent at %s",
		now, *accepted, words.Stamp(newest))
	// A key counts as used since the newest request: half of its life leaves time for the run.
	if e.config.BillingIdempotent && age < e.config.BillingIdempotencyTTL/2 {
		e.log.Warn().Str("event", "another_database").Time("newest_sent_at", newest).Msg(what + ". Going on, since the API honours idempotency keys")
		return true, nil
	}
	return false, &exitError{billing.ExitRefused, errors.New(what + ". Nothing was sent. Compare with the billing API's own list (`batch reconcile FILE --adopt`), " +
		"then run `batch resume --accept-database --reason …`" + afterFailover(now, *accepted))}
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
	if limited || code != billing.ExitDone && code != billing.ExitPerson {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := e.store.Accept(ctx, "a run under idempotency keys went through all of it"); err != nil {
		e.log.Warn().Err(err).Msg("the next run asks again whether the database has forgotten something")
	}
}
