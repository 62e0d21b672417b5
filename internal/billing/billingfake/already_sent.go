package billingfake

import "net/http"

// AlreadySent refuses to bill an invoice again, whatever the key: an error that
// means that it is done.
type AlreadySent struct {
	Status int // 0: 409
}

func (t AlreadySent) answer(x *exchange, next func() reply) reply {
	if x.api.ledger.state(x.in.Invoice, "") != StateSent {
		return next()
	}
	status := t.Status
	if status == 0 {
		status = http.StatusConflict
	}
	return coded(status, "already_sent", "this invoice was sent already")
}
