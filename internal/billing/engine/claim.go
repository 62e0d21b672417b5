package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// lookLife is how long a second look is acted upon: what the application
// takes back meanwhile is sent all the same.
const lookLife = time.Second

// stuckAfter is how long a claim's last requests are waited for before another claim
// stands in, if senders are idle.
const stuckAfter = 100 * time.Millisecond

// claim is a set of locked invoices, and what of them is on its way.
type claim struct {
	*billing.Claimed
	values  map[billing.InvoiceID]*string // of INVOICES_ONE_PER, as their locks were taken
	begun   int                           // intents committed
	alone   bool                          // nothing else is claimed before it has ended
	paced   bool                          // no more than the pace lets begin soon
	leave   func()                        // lets the next claim begin its requests, where the pace holds them back
	unasked atomic.Int64                  // of what was begun, attempts whose request was never started
	fenced  int                           // intents that another run was before us with
	kept    bool                          // a fail-over has kept intents back: they are to be looked for anew

	open sync.WaitGroup // deliveries not yet settled (row: not yet replied to)

	mu   sync.Mutex
	late []ended // row: what the claim's own transaction will write
}

// ended is a settlement on its way, and what to let go once it is written.
type ended struct {
	settlement billing.Settlement
	claim      *claim
	slot       bool
}

func (c *claim) lost() bool { return isClosed(c.Lost) }

// settleLater keeps what the claim's own transaction will write.
func (c *claim) settleLater(e ended) {
	c.mu.Lock()
	c.late = append(c.late, e)
	c.mu.Unlock()
	c.open.Done()
}

// await returns when all that was begun is settled (row: replied to).
func (c *claim) await(stuck func()) {
	settled := make(chan struct{})
	go func() {
		c.open.Wait()
		close(settled)
	}()
	tick := time.NewTicker(stuckAfter)
	defer tick.Stop()
	for {
		select {
		case <-settled:
			return
		case <-tick.C:
			stuck()
		}
	}
}

// look is what was seen of claimed invoices under their locks.
type look struct {
	at       time.Time // the keys' ages are as of the look
	invoices []billing.Invoice
}

// takeLook takes the second look at claimed invoices.
func takeLook(ctx context.Context, ledger Ledger, ids []billing.InvoiceID) (look, error) {
	at := time.Now()
	invoices, err := ledger.Look(ctx, ids)
	if err != nil {
		return look{}, fmt.Errorf("look at claimed invoices again: %w", err)
	}
	return look{at, invoices}, nil
}

func (l look) stale() bool { return time.Since(l.at) > lookLife }
