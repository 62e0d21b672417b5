package billingfake

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Rate is so many requests in a time.
type Rate struct {
	Requests int
	Per      time.Duration
}

// ParseRate reads a rate: 25 (a second), 60/m or 5000/h.
func ParseRate(text string) (Rate, error) {
	number, unit, given := strings.Cut(text, "/")
	n, err := strconv.Atoi(number)
	per, known := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	if !given {
		per, known = time.Second, true
	}
	if err != nil || n <= 0 || !known {
		return Rate{}, fmt.Errorf("read rate %q: write requests a second, as 25, or a minute, hour or day, as 60/m, 5000/h or 5000/d", text)
	}
	return Rate{n, per}, nil
}

// RateLimit is a token bucket. It is full at first, and holds as many tokens as
// the rate gives in a second, at least one.
type RateLimit struct {
	rate   Rate
	mu     sync.Mutex
	tokens float64
	last   time.Time
}

// NewRateLimit returns a full bucket.
func NewRateLimit(r Rate) *RateLimit {
	l := &RateLimit{rate: r}
	l.tokens = l.size()
	return l
}

func (l *RateLimit) perSecond() float64 { return float64(l.rate.Requests) / l.rate.Per.Seconds() }

func (l *RateLimit) size() float64 { return max(1, l.perSecond()) }

func (l *RateLimit) take(now time.Time) (done func(), after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if passed := now.Sub(l.last); !l.last.IsZero() && passed > 0 {
		l.tokens = min(l.size(), l.tokens+passed.Seconds()*l.perSecond())
	}
	l.last = now
	const rounding = 1e-9 // ten tenths are not quite one
	if l.tokens < 1-rounding {
		return nil, time.Duration((1 - l.tokens) / l.perSecond() * float64(time.Second))
	}
	l.tokens--
	return func() {}, 0
}
