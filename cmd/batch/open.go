package main

import (
	"context"

	"github.com/billonce/billonce/internal/billing"
)

// keepSetAside writes down what is set aside: a run of given invoices has not seen the others.
func (e *execution) keepSetAside(ctx context.Context, found billing.FoundSetAside) {
	found.Whole = found.Whole && len(e.flags.only) == 0
	if err := e.store.KeepSetAside(ctx, found); err != nil {
		e.log.Warn().Err(err).Msg("what is set aside stands in this log alone")
	}
}

// countOpen has what waits for a person counted. Where that can't be done, the run is no
// success.
func (e *execution) countOpen(ctx context.Context, s *billing.Summary) {
	if n, err := e.store.CountSubmitted(context.WithoutCancel(ctx)); err == nil {
		s.Submitted = n
	} else {
		e.log.Warn().Err(err).Msg("what is submitted was not counted")
	}
	open, err := e.store.CountOpen(ctx, s.OpenFound)
	switch {
	case err == nil:
		s.CountOpen(open)
	case s.ExitCode() == billing.ExitDone:
		s.Stopped, s.Err = billing.StoppedByError, err
	default:
		e.log.Warn().Err(err).Msg("what is open was not counted")
	}
}

// stillOpen is the exit code of a run that does nothing: a person is told of what is open
// all the same.
func (e *execution) stillOpen(ctx context.Context) (int, error) {
	n, err := e.store.StillOpen(ctx)
	switch {
	case err != nil:
		return billing.ExitError, err
	case n > 0:
		e.log.Warn().Int64("open", n).Msg("invoices wait for a person: see `batch status --open`")
		return billing.ExitPerson, nil
	}
	return billing.ExitDone, nil
}
