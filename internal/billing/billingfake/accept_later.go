package billingfake

import "time"

// AcceptLater answers 202 at once, and acts later: until then the look-up says
// processing.
type AcceptLater struct {
	After time.Duration
	// NeverPercent of all invoices stay in processing. Which of them depends on
	// seed, invoice and body alone.
	NeverPercent float64
	Seed         int64
}

// neverSeed keeps what never comes independent of what is rejected.
const neverSeed = 0x6e65766572

func (t AcceptLater) answer(x *exchange, next func() reply) reply {
	x.api.ledger.submit(x)
	x.later = true
	if !x.chosen(t.NeverPercent, t.Seed^neverSeed) {
		x.api.after(t.After, func() { next() })
	}
	return submitted(x.in.Invoice)
}

// after does something later. [API.Idle] waits for it, and [API.Close] has it
// done at once.
func (a *API) after(d time.Duration, do func()) {
	a.ledger.hold()
	go func() {
		defer a.ledger.release()
		a.wait(d)
		do()
	}()
}
