package billingfake

// EmptyReply closes the connection in good order, without a byte.
type EmptyReply struct {
	Applied bool // after the effect; else there is none
}

func (f EmptyReply) String() string {
	if f.Applied {
		return "apply_then_empty_reply"
	}
	return "empty_reply"
}

func (f EmptyReply) strike(x *exchange) {
	if f.Applied {
		x.apply()
	}
	x.hangUp(nil)
}
