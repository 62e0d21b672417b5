package billing

// canary says, between two passes, whether the run may go on: all of the requests
// that were sent first must have been accepted, at their first attempt.
func (r *Runner) canaryLives() bool {
	begun, sending := r.budget.ofCanary()
	accepted := int(r.accepted.Load())
	if !sending || accepted == begun {
		return true
	}
	r.Log.Error().Int("accepted", accepted).Int("canary", begun).
		Msg("stopping: of the invoices that RUN_CANARY sent first, not all were accepted; the rest was not sent. " +
			"Look at them (`batch status`), then run again")
	r.stop.stop(StoppedByCanary, nil)
	return false
}

// passCanary lets the rest follow, once the canary is through; false: there is none.
func (r *Runner) passCanary() bool {
	begun, sending := r.budget.ofCanary()
	if !sending || !r.budget.open() {
		return false
	}
	r.Log.Info().Int("canary", begun).Msg("all invoices of RUN_CANARY were accepted: sending the rest")
	return true
}
