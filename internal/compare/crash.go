package compare

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

var errKilled = errors.New("killed by the comparison")

// crash kills a runner when the API has acted for it so many times, and the runner
// does not know it yet. The API orders it: nobody else knows that instant.
type crash struct {
	runner  string // empty: nobody
	effects int
	tell    func(at time.Time, invoice string)

	mu   sync.Mutex
	seen int
	at   time.Time
	kill context.CancelCauseFunc
	gone chan struct{}
}

// acted is called before the reply leaves.
func (c *crash) acted(ctx context.Context, r billingfake.Received) {
	if c.runner == "" || r.Header.Get(serverHeader) != c.runner {
		return
	}
	c.mu.Lock()
	c.seen++
	due, kill := c.seen == c.effects, c.kill
	if due {
		c.at = time.Now()
	}
	c.mu.Unlock()
	if !due {
		return
	}
	c.tell(c.at, r.Invoice)
	kill(errKilled)
	select {
	case <-c.gone: // else it might still read the reply
	case <-ctx.Done():
	}
}

// run starts processes side by side and waits for their ends, of whatever kind.
// To be killed is no error.
func (c *crash) run(ctx context.Context, p Program, all []process, ended func(name string, err error)) {
	var running sync.WaitGroup
	for _, one := range all {
		life, kill := context.WithCancelCause(ctx)
		hit := one.name == c.runner
		if hit {
			c.mu.Lock()
			c.kill, c.gone = kill, make(chan struct{})
			c.mu.Unlock()
		}
		running.Go(func() {
			defer kill(nil)
			_, err := p.run(life, one)
			if hit {
				close(c.gone)
			}
			if errors.Is(err, errKilled) {
				err = nil
			}
			ended(one.name, err)
		})
	}
	running.Wait()
}
