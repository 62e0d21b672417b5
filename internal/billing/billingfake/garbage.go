package billingfake

// Garbage answers with something that is no HTTP, and hangs up.
type Garbage struct {
	Applied bool // after the effect; else there is none
}

func (f Garbage) String() string {
	if f.Applied {
		return "apply_then_garbage"
	}
	return "garbage"
}

func (f Garbage) strike(x *exchange) {
	if f.Applied {
		x.apply()
	}
	x.hangUp([]byte("\x15\x03\x01 220 mail.example ESMTP ready\r\n\r\n"))
}
