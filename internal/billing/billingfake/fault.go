package billingfake

// Fault is a misbehaviour that one request meets. The faults are the types of
// this package that implement it, each named after what happens on the wire
// and in a file of its own; nil is none.
type Fault interface {
	// String is the name by which ParseFaults knows it.
	String() string
	strike(x *exchange)
}
