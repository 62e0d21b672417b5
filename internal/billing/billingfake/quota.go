package billingfake

import (
	"sync"
	"time"
)

// Quota is a number of requests in a window that begins with the first one.
// When it is used up, all wait for the window's end.
type Quota struct {
	rate  Rate
	mu    sync.Mutex
	used  int
	since time.Time
}

// NewQuota returns an unused quota.
func NewQuota(r Rate) *Quota { return &Quota{rate: r} }

func (l *Quota) take(now time.Time) (done func(), after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() || now.Sub(l.since) >= l.rate.Per {
		l.since, l.used = now, 0
	}
	if l.used >= l.rate.Requests {
		return nil, l.since.Add(l.rate.Per).Sub(now)
	}
	l.used++
	return func() {}, 0
}
