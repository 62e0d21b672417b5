package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// others are the unfinished runs that may still have something to write again.
type others struct {
	since time.Time // this run has begun to write again
	until time.Time // they are waited for
}

// othersStand returns once no unfinished run may have something to write again, or it has
// taken too long; or, where it is not patient, at once.
func (f *failover) othersStand(ctx context.Context, patient bool) error {
	if f.others.Load() == nil {
		return nil
	}
	if !patient && !f.turn.TryLock() {
		return nil // somebody else waits for them
	}
	if patient {
		f.turn.Lock()
	}
	defer f.turn.Unlock()
	for {
		over, err := f.lookAtOthers(ctx, patient && !f.stop.stopped())
		if over || err != nil || !patient || f.stop.stopped() {
			return err
		}
		f.stop.wait(lingerPoll)
	}
}

// lookAtOthers says whether the other runs need not be waited for any more. Meanwhile the
// run stays on the database that it looks at.
func (f *failover) lookAtOthers(ctx context.Context, patient bool) (over bool, err error) {
	f.gate.RLock()
	defer f.gate.RUnlock()
	o := f.others.Load()
	switch {
	case f.behind:
		return false, billing.ErrFailedOver
	case o == nil:
		return true, nil
	}
	behind, lost, err := f.port.Behind(ctx)
	switch {
	case err != nil:
		return false, err
	case len(behind) == 0:
		err = f.port.Accept(ctx, "runs that lived through the fail-over have written again what was missing")
	case lost:
		err = f.forget(ctx, o.since, "more was lost than a run remembers: "+behind[0])
	case patient && time.Now().After(o.until):
		err = f.forget(ctx, o.since, fmt.Sprintf("%d unfinished runs have not written theirs again, among them %s", len(behind), behind[0]))
	default:
		return false, nil
	}
	if err == nil {
		f.others.Store(nil)
	}
	return true, err
}

// forget goes by the rules for a run that starts: where keys make a repeat harmless it goes
// on, and otherwise it sends no more.
func (f *failover) forget(ctx context.Context, since time.Time, why string) error {
	f.suspected.Store(true)
	age, err := f.port.Doubt(ctx, since)
	if err != nil {
		return err
	}
	if f.idempotent && billing.KeyAlive(age, f.keyTTL) {
		f.repeat(time.Now().Add(-age))
		f.log.Warn().Str("event", "another_database").Msg("the database may have forgotten what was sent: it was failed over, and " + why + ". Going on, since the API honours idempotency keys")
		return nil
	}
	f.stop.stop(billing.StoppedByFailover, fmt.Errorf("%w: it was failed over, and %s. %s", billing.ErrForgotten, why, compare))
	return nil
}

const compare = "Compare with the billing API's own list: `batch reconcile FILE --adopt`; then: `batch resume --accept-database --reason …`"

// repeat takes what looks untried for a repeat: its key counts as used since the newest
// request that the database knows.
func (f *failover) repeat(newest time.Time) {
	die := newest.Add(f.keyTTL - billing.KeyMargin(f.keyTTL))
	f.keysDie.Store(&die)
}

// repeats says that the database may have forgotten requests.
func (f *failover) repeats() bool { return f != nil && f.keysDie.Load() != nil }

// keysDead says that the API may have forgotten the keys of requests that the database may
// have forgotten.
func (f *failover) keysDead() bool {
	die := f.keysDie.Load()
	return die != nil && tooLate(*die)
}

// holdsBack says that nothing may begin: other runs may have something to write again, or
// it is not known how old the requests are that are forgotten, or their keys are as well.
func (f *failover) holdsBack() bool {
	return f.others.Load() != nil || f.suspected.Load() && !f.repeats() || f.keysDead()
}
