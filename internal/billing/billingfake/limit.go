package billingfake

import (
	"net/http"
	"time"
)

// Limit turns away what is more than the API takes. The limits are the types of
// this package that implement it, each in a file of its own.
type Limit interface {
	// take returns what is to be called when the request is done; nil if it is
	// turned away, and then after how long it may come back.
	take(now time.Time) (done func(), after time.Duration)
}

// Throttling is how the API says that something was too much.
type Throttling struct {
	Status int      // 0: 429
	Says   []Notice // none: Retry-After in seconds
}

func (t Throttling) reply(now time.Time, after time.Duration) reply {
	status := t.Status
	if status == 0 {
		status = http.StatusTooManyRequests
	}
	r := coded(status, "rate_limit", "too many requests")
	r.header = http.Header{}
	if t.Says == nil {
		retryAfter(r.header, now, after)
	}
	for _, n := range t.Says {
		n.set(r.header, now, after)
	}
	return r
}

// admit asks every limit. If one turns the request away, it is answered, and
// what the limits before that one gave is given back.
func (x *exchange) admit() bool {
	a := x.api
	if len(a.config.Limits) == 0 {
		return true
	}
	var taken []func()
	x.done = func() {
		for _, done := range taken {
			done()
		}
	}
	for _, l := range a.config.Limits {
		done, after := l.take(x.in.At)
		if done == nil {
			a.ledger.count(func(c *Counts) { c.Throttled++ })
			x.send(a.config.Throttling.reply(x.in.At, after))
			return false
		}
		taken = append(taken, done)
	}
	return true
}
