package billingfake

// ResetBeforeApply breaks the connection with a RST. There is no effect, but
// the client can't know that.
type ResetBeforeApply struct{}

func (ResetBeforeApply) String() string { return "reset_before_apply" }

func (ResetBeforeApply) strike(x *exchange) { x.reset() }
