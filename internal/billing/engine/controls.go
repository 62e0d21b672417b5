package engine

import (
	"sync"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// controls are deliveries of this run that a reply has accepted: the last ones, and some
// older ones, so that there is one that is old enough.
type controls struct {
	spacing time.Duration
	news    chan struct{}

	mu     sync.Mutex
	recent []billing.Control
	older  []billing.Control
}

func newControls(after time.Duration) controls {
	return controls{spacing: after / (billing.ControlsKept / 2), news: make(chan struct{}, 1)}
}

// add takes in a delivery that a reply has accepted.
func (c *controls) add(id billing.InvoiceID, lookUp []byte) {
	c.mu.Lock()
	if len(c.recent) == billing.ControlsKept {
		oldest := c.recent[0]
		c.recent = append(c.recent[:0], c.recent[1:]...)
		if n := len(c.older); n == 0 || oldest.At.Sub(c.older[n-1].At) >= c.spacing {
			c.older = append(c.older[max(0, n+1-billing.ControlsKept):], oldest)
		}
	}
	c.recent = append(c.recent, billing.Control{InvoiceID: id, LookupSHA256: lookUp, At: time.Now()})
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

func (c *controls) all() []billing.Control {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(append([]billing.Control{}, c.older...), c.recent...)
}

func (c *controls) latest() []billing.Control {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]billing.Control{}, c.recent...)
}
