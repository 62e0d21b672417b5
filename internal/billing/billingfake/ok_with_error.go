package billingfake

import "net/http"

// OKWithError answers 200 with an error in the body. There is no effect.
type OKWithError struct{}

func (OKWithError) String() string { return "ok_with_error" }

func (OKWithError) strike(x *exchange) {
	x.send(reply{status: http.StatusOK, body: errorBody("the card was declined")})
}
