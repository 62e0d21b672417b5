package billingfake

import "time"

// HangThenApply is a request that a kernel or a proxy holds: nothing happens
// until the client has left, and the effect comes later still. Until then a
// look-up says that there is none.
type HangThenApply struct {
	After time.Duration // from the client's leaving; 0: at once
}

func (f HangThenApply) String() string {
	if f.After == 0 {
		return "hang_then_apply"
	}
	return "hang_then_apply:" + f.After.String()
}

func (f HangThenApply) strike(x *exchange) {
	select {
	case <-x.ctx.Done():
	case <-x.api.closing:
	}
	x.api.wait(f.After)
	x.apply()
	x.hangUp(nil)
}
