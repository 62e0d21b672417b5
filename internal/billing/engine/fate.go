package engine

import (
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// fate is what a fail-over has made of a delivery that is remembered.
type fate int

const (
	stands   fate = iota // as it is remembered, or as somebody has decided since
	missing              // its intent was lost, and with it what it came to
	late                 // its intent stands, and what it came to was lost
	homeless             // it was lost, and is another run's, or too old to be known whole
)

// fateOf holds what is remembered against what the ledger has; nil: nothing.
func fateOf(r *remembered, d *billing.Delivery) fate {
	switch {
	case d == nil || int(r.attempt) > d.Attempt:
		switch {
		case !r.begun:
			return homeless
		case d == nil || d.KeyVersion == int(r.version) && (d.State == billing.Sending || d.State == billing.Retry || d.State == billing.InDoubt):
			return missing
		}
	case int(r.attempt) == d.Attempt && r.run == d.RunID && r.settled && comesLate(d.State, r.state()):
		return late
	}
	return stands
}

// comesLate says that an attempt's outcome is still to be written over what the ledger
// has; as settle.sql does.
func comesLate(has, came billing.State) bool {
	switch has {
	case billing.Sending:
		return came != billing.Sending
	case billing.Retry, billing.InDoubt:
		return came != has && came != billing.Sending
	case billing.SubmittedState:
		return came != has && came != billing.Sending && came != billing.Retry
	case billing.Unmarked, billing.Sent, billing.Failed, billing.Cancelled: // unmarked ones are marked as the run ends
	}
	return false
}

// shows is before which moment all that was committed stands, as the ledger has d.
func (w witness) shows(d *billing.Delivery) time.Time {
	switch {
	case d == nil || w.run != d.RunID || int(w.attempt) != d.Attempt:
		return time.Time{}
	case w.settled && d.State == w.state():
		return w.outcome
	}
	return w.intent
}

// as is how a delivery stands once r is written again.
func (r *remembered) as(d *billing.Delivery) *billing.Delivery {
	if d == nil || int(r.attempt) > d.Attempt {
		return &billing.Delivery{RunID: r.run, Attempt: int(r.attempt), KeyVersion: int(r.version), State: r.state()}
	}
	later := *d
	later.State = r.state()
	return &later
}
