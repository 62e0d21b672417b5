package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// deadlineMargin is what the ledger's deadline allows for beyond the request's own.
const deadlineMargin = time.Second

// intender commits the intents of steps, and hands their attempts to the senders.
type intender interface {
	// intend takes steps, one at least, and further ones for as long as more says so. It
	// returns those that it has not taken.
	intend(ctx context.Context, c *claim, steps []step, more func() bool) ([]step, error)
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

// commit commits the intents of steps and what has ended. It returns the attempts that
// are ours to make, and what came of the commit.
func (i *intents) commit(ctx context.Context, c *claim, steps []step, end []billing.Settlement) ([]*attempt, billing.Committed, error) {
	group := make([]billing.Intent, len(steps))
	for n := range steps {
		group[n] = steps[n].intent
		group[n].DeadlineIn = i.deadline
	}
	at := time.Now()
	committed, err := i.ledger.Commit(context.WithoutCancel(ctx), group, end)
	if err != nil {
		err = fmt.Errorf("record intents: %w", err)
	}
	if committed.PutOff || err != nil && len(committed.Begun) == 0 {
		return nil, committed, err
	}
	begun := make([]*attempt, 0, len(steps))
	attempts := make([]attempt, len(steps)) // together: they are gone together, or nearly
	for n := range steps {
		s := &steps[n]
		if _, ours := committed.Begun[s.intent.InvoiceID]; !ours {
			i.hand.give(size(s.request))
			if committed.Begun == nil {
				c.kept = true
				continue
			}
			i.troubles.fenced(s.intent.InvoiceID)
			c.fenced++
			continue
		}
		i.troubles.begun(s.intent)
		s.request.Repeat = s.request.Repeat || i.failover.repeats()
		attempts[n] = attempt{step: s, claim: c, committed: at, sendBy: at.Add(i.life)}
		begun = append(begun, &attempts[n])
	}
	c.begun += len(begun)
	c.open.Add(len(begun))
	return begun, committed, err
}

// atOnce commits all intents at once: a repeat is harmless, and commits are what costs.
type atOnce struct{ *intents }

func (i atOnce) intend(ctx context.Context, c *claim, steps []step, _ func() bool) ([]step, error) {
	begun, _, err := i.commit(ctx, c, steps, nil)
	if err != nil {
		return steps, err
	}
	// One claim after the other: while this one's are sent, the others are made.
	// Else all would run out of invoices at the same moment, in step for ever.
	i.turn.Lock()
	i.queue.put(begun)
	i.turn.Unlock()
	return nil, nil
}

// justAhead commits intents just ahead of their requests: for slots that are free, and for
// those of requests that have ended, which are settled in the same commit.
type justAhead struct {
	*intents
	slots   *slots
	settler *settler
	claims  atomic.Int32 // that have something to begin
}

func (i *justAhead) intend(ctx context.Context, c *claim, steps []step, more func() bool) ([]step, error) {
	i.claims.Add(1)
	defer func() {
		if i.claims.Add(-1) == 0 {
			i.settler.leave(false)
		}
	}()
	for {
		n, err := i.group(ctx, c, steps)
		steps = steps[n:]
		if err != nil || len(steps) == 0 || !more() {
			return steps, err
		}
	}
}

// group takes the first of the steps, and says how many it took.
func (i *justAhead) group(ctx context.Context, c *claim, steps []step) (int, error) {
	// One group at a time: what ends while it is being committed makes room for the
	// next group. Else each freed slot would make a group, and a commit, of its own.
	i.turn.Lock()
	r := i.reserve(ctx, len(steps))
	if r.rights+len(r.ended) == 0 {
		i.turn.Unlock()
		return 0, nil
	}
	var begun []*attempt
	var committed billing.Committed
	err := i.settler.write(ctx, func(ctx context.Context, end []billing.Settlement) (_ []billing.Settled, err error) {
		begun, committed, err = i.commit(ctx, c, steps[:r.rights], end)
		return committed.Ended, err
	}, r.ended)
	i.slots.release(r.slots - len(begun))
	i.slots.right.pace.giveBack(r.rights - len(begun))
	i.turn.Unlock()
	for _, e := range r.ended {
		e.claim.open.Done()
	}
	i.queue.put(begun)
	if committed.PutOff || err != nil && len(begun) == 0 {
		return 0, err
	}
	return r.rights, err
}

// reserved is what a group is begun with.
type reserved struct {
	rights int     // to send
	slots  int     // in hand: as many at least
	ended  []ended // to be settled in the commit that begins the group: some of the slots are theirs until then
}

// reserve waits for one slot, and for the right to send, and takes those that can be had
// beside it, up to wanted; none: the run is stopping. What has ended waits for
// nothing but a commit: while the right has to be waited for, it is settled alone.
func (i *justAhead) reserve(ctx context.Context, wanted int) (r reserved) {
	right := i.slots.right
	i.settler.leave(true)
	select {
	case <-i.slots.free:
		r.slots = 1
	case <-i.settler.ended:
	case <-right.stop.done:
		return reserved{}
	}
	if !right.ready() {
		i.settler.leave(false)
		if r.slots == 0 && !i.slots.await() {
			return reserved{}
		}
		r.slots = 1
		if !right.await(ctx) {
			i.slots.release(1)
			return reserved{}
		}
		i.settler.leave(true)
	}
	r.ended = i.settler.takeLeft()
	r.slots += slotsOf(r.ended)
	for r.rights < wanted {
		if r.rights == r.slots {
			if !i.slots.take() {
				break
			}
			r.slots++
		}
		if r.rights > 0 && !right.pace.ready() { // the first one is had
			break
		}
		r.rights++
	}
	if r.rights == 0 { // what has ended held no slots, or was settled meanwhile
		right.pace.giveBack(1)
	}
	if len(r.ended) == 0 {
		i.settler.leave(false) // what ends waits for no intent
	}
	return r
}
