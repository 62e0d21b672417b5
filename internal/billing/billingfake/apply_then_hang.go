package billingfake

// ApplyThenHang has the effect, then never answers: the connection stays open
// until the client leaves or the API is closed.
type ApplyThenHang struct{}

func (ApplyThenHang) String() string { return "apply_then_hang" }

func (ApplyThenHang) strike(x *exchange) {
	x.apply()
	select {
	case <-x.ctx.Done():
	case <-x.api.closing:
	}
	x.hangUp(nil) // else net/http would send a 200
}
