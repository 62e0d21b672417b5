package main

import (
	"context"
	"fmt"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/pgstore"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/words"
)

// canaryOfNew is how many invoices go first under settings of which no run had a request
// accepted.
const canaryOfNew = 5

// canary is how many invoices this run sends first; 0: none go first.
func (e *execution) canary(now map[string]string, earlier pgstore.Standing) int {
	n, set := e.config.RunCanary.N, e.config.RunCanary.Set
	if earlier.Tried || set && n == 0 {
		return n
	}
	if !set {
		n = canaryOfNew
	}
	log := e.log.Info().Int("canary", n)
	if earlier.Last == nil {
		log.Msg("no earlier run had a request accepted: a few invoices go first")
		return n
	}
	log.Strs("changed", billing.ChangedSettings(earlier.Last, now)).Msg("settings have changed since a request was last accepted: a few invoices go first")
	return n
}

func (e *execution) sayWait(wait time.Duration) {
	if wait > 0 {
		e.log.Info().Str("not_before", time.Now().Add(wait).UTC().Format(time.RFC3339)).
			Msg("the billing API has asked earlier runs to wait: one request goes first")
	}
}

// usualOf is of how many earlier Jobs RUN_MAX_PENDING has to know, to say what is usual.
const usualOf = 3

// refuseTooMany refuses a run that could send more than RUN_MAX_PENDING. It returns how
// many it could send; nil: nobody wants to know.
func (e *execution) refuseTooMany(ctx context.Context) (*int64, error) {
	c := e.config
	most := c.RunMaxPending
	if most.Text == "" && e.flags.maxPending <= 0 {
		return nil, nil
	}
	could, err := e.store.CountSendable(ctx)
	if err != nil {
		return nil, &exitError{billing.ExitRefused, fmt.Errorf("RUN_MAX_PENDING: count what this run could send: %w", err)}
	}
	limit, of := int64(most.Number), ""
	if most.Times > 0 {
		usual, err := e.store.UsualPending(ctx, c.JobName)
		if err != nil {
			return nil, &exitError{billing.ExitRefused, fmt.Errorf("RUN_MAX_PENDING: read what is usual: %w", err)}
		}
		if usual.Jobs < usualOf {
			e.log.Warn().Int("earlier_jobs", usual.Jobs).Msg("RUN_MAX_PENDING can't tell yet what is usual: this run is not limited by it")
			return &could, nil
		}
		limit = int64(most.Times * usual.Median)
		of = fmt.Sprintf(" (%s of %s, the median of the last %d)", most, words.Count(int64(usual.Median)), usual.Jobs)
	}
	if e.flags.maxPending > 0 {
		limit, of = int64(e.flags.maxPending), " (--max-pending)"
	}
	if could <= limit {
		return &could, nil
	}
	shown, err := e.countSendable(ctx)
	if err != nil {
		shown = desk.Sendable{Invoices: could} // without their sums
	}
	return nil, &exitError{billing.ExitRefused, fmt.Errorf("RUN_MAX_PENDING: this run could send %s, and the limit is %s%s; nothing was sent. Look at INVOICES_PENDING. If that is right: batch run --max-pending %d",
		shown, words.Count(limit), of, could)}
}
