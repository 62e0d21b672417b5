package billingfake

// ApplyThenReset has the effect, then breaks the connection with a RST.
type ApplyThenReset struct{}

func (ApplyThenReset) String() string { return "apply_then_reset" }

func (ApplyThenReset) strike(x *exchange) {
	x.apply()
	x.reset()
}
