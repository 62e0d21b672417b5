package engine

import (
	"github.com/rs/zerolog"

	"billonce/internal/billing"
)

// canary judges, between two passes, the requests that were sent first.
type canary struct {
	budget *budget
	stop   *stopper
	log    zerolog.Logger
}

// judge stops a run that may send no more: its canary was not accepted, or its limit
// is reached. It lets the rest of the run follow a canary that was.
func (c canary) judge() {
	if c.stop.stopped() || !c.lives() || !c.budget.spent() || c.pass() {
		return
	}
	c.stop.stop(billing.StoppedByLimit, nil)
}

// lives says whether the run may go on: all of the requests that were sent first must
// have been accepted, at their first attempt.
func (c canary) lives() bool {
	begun, sending := c.budget.ofCanary()
	accepted := int(c.budget.accepted.Load())
	if !sending || accepted == begun {
		return true
	}
	c.log.Error().Int("accepted", accepted).Int("canary", begun).
		Msg("stopping: of the invoices that RUN_CANARY sent first, not all were accepted; the rest was not sent. " +
			"Look at them (`batch status`), then run again")
	c.stop.stop(billing.StoppedByCanary, nil)
	return false
}

// pass lets the rest follow, once the canary is through; false: there is none.
func (c canary) pass() bool {
	begun, sending := c.budget.ofCanary()
	if !sending || !c.budget.open() {
		return false
	}
	c.log.Info().Int("canary", begun).Msg("all invoices of RUN_CANARY were accepted: sending the rest")
	return true
}
