package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// deadlineMargin is what the ledger's deadline allows for beyond the request's own.
const deadlineMargin = time.Second

// intender commits the intents of steps, and hands their attempts to the senders.
type intender interface {
	// intend takes the first of the steps, and says how many it took.
	intend(ctx context.Context, c *claim, steps []step) (int, error)
}

// intents is what both ways of committing intents have in common.
type intents struct {
	ledger   Ledger
	troubles *troubles
	queue    *queue
	life     time.Duration // from before the commit until a request is begun, at most
	deadline time.Duration // from the commit until a request can no longer arrive
	hand     *hand
	failover *failover
	turn     sync.Mutex // held by the claim that hands attempts to the senders
}

// intentDeadline is how long an intent's request can be on its way.
func intentDeadline(life, timeout time.Duration) time.Duration {
	return life + timeout + deadlineMargin
}

func newIntents(f *failover, t *troubles, q *queue, h *hand, life, timeout time.Duration) *intents {
	return &intents{ledger: f, failover: f, troubles: t, queue: q, hand: h, life: life, deadline: intentDeadline(life, timeout)}
}

// commit commits the intents of steps, and returns the attempts that are ours to make.
func (i *intents) commit(ctx context.Context, c *claim, steps []step) ([]*attempt, error) {
	if len(steps) == 0 {
		return nil, nil
	}
	group := make([]billing.Intent, len(steps))
	for n := range steps {
		group[n] = steps[n].intent
		group[n].DeadlineIn = i.deadline
	}
	at := time.Now()
	committed, err := i.ledger.Commit(context.WithoutCancel(ctx), group, nil)
	if err != nil {
		return nil, fmt.Errorf("record intents: %w", err)
	}
	begun := make([]*attempt, 0, len(steps))
	attempts := make([]attempt, len(steps)) // together: they are gone together, or nearly
	for n := range steps {
		s := &steps[n]
		if _, ours := committed.Begun[s.intent.InvoiceID]; !ours {
			if committed.Begun != nil { // else a fail-over has kept all back
				i.troubles.fenced(s.intent.InvoiceID)
			}
			c.fenced++
			i.hand.give(size(s.request))
			continue
		}
		i.troubles.begun(s.intent)
		s.request.Repeat = s.request.Repeat || i.failover.repeats()
		attempts[n] = attempt{step: s, claim: c, committed: at, sendBy: at.Add(i.life)}
		begun = append(begun, &attempts[n])
	}
	c.begun += len(begun)
	c.open.Add(len(begun))
	return begun, nil
}

// atOnce commits all intents at once: a repeat is harmless, and commits are what costs.
type atOnce struct{ *intents }

func (i atOnce) intend(ctx context.Context, c *claim, steps []step) (int, error) {
	begun, err := i.commit(ctx, c, steps)
	// One claim after the other: while this one's are sent, the others are made.
	// Else all would run out of invoices at the same moment, in step for ever.
	i.turn.Lock()
	i.queue.put(begun)
	i.turn.Unlock()
	return len(steps), err
}

// justAhead commits intents just ahead of their requests, for slots that are free.
type justAhead struct {
	*intents
	slots *slots
}

func (i justAhead) intend(ctx context.Context, c *claim, steps []step) (int, error) {
	// One group at a time: the slots that become free while it is being
	// committed are the next group. Else each freed slot would make a group,
	// and a commit, of its own.
	i.turn.Lock()
	n := i.slots.reserve(ctx, len(steps))
	begun, err := i.commit(ctx, c, steps[:n])
	i.turn.Unlock()
	i.slots.giveBack(n - len(begun))
	i.queue.put(begun)
	return n, err
}
