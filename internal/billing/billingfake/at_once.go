package billingfake

import (
	"sync"
	"time"
)

// AtOnce is how many requests may be at work at the same time.
type AtOnce struct {
	max    int
	mu     sync.Mutex
	atWork int
}

// NewAtOnce returns a limit of so many requests at once.
func NewAtOnce(n int) *AtOnce { return &AtOnce{max: n} }

// take can't know when a place is free: it says a second, as most do.
func (l *AtOnce) take(time.Time) (done func(), after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.atWork >= l.max {
		return nil, time.Second
	}
	l.atWork++
	return l.release, 0
}

func (l *AtOnce) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.atWork--
}
