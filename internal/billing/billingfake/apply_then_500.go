package billingfake

import "net/http"

// ApplyThen500 has the effect, then says that it failed. Without Stored it is a
// gateway that speaks: the success lies under the key for a repeat to find.
// With it, it is the API itself, and a repeat gets the same 500 again, as with
// Stripe.
type ApplyThen500 struct {
	Stored bool
}

func (f ApplyThen500) String() string {
	if f.Stored {
		return "apply_then_500_stored"
	}
	return "apply_then_500"
}

func (f ApplyThen500) strike(x *exchange) {
	if f.Stored {
		x.stored = http.StatusInternalServerError
	}
	x.apply()
	x.send(failure(http.StatusInternalServerError, "something went wrong on our side"))
}
