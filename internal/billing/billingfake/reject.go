package billingfake

import "net/http"

// Reject refuses a part of all invoices. The choice depends on seed, invoice and
// body alone: the same request is rejected again, a mended one has a new chance.
type Reject struct {
	Percent float64
	Seed    int64
	// Status of the refusal; 0: 402. With 200, the body's errors say it. An
	// invoice that was accepted first is found rejected by the look-up instead.
	Status int
}

func (t Reject) answer(x *exchange, next func() reply) reply {
	if !x.chosen(t.Percent, t.Seed) {
		return next()
	}
	x.api.ledger.reject(x)
	status := t.Status
	if status == 0 {
		status = http.StatusPaymentRequired
	}
	return coded(status, "card_declined", "the card was declined")
}

// chosen says whether the request is one of so many in a hundred.
func (x *exchange) chosen(percent float64, seed int64) bool {
	return uniform(seed, x.in.Invoice+"\x00"+string(x.hash[:]), 0) < percent/100
}
