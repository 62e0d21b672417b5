package billingfake

// TruncatedBody has the effect, then hangs up in the middle of its reply's
// body: status and headers are whole, and Content-Length promises more.
type TruncatedBody struct{}

func (TruncatedBody) String() string { return "truncated_body" }

func (TruncatedBody) strike(x *exchange) {
	r := x.apply()
	raw := r.raw()
	x.hangUp(raw[:len(raw)-(len(r.body)+1)/2])
}
