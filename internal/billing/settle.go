package billing

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	groupMax = 1000 // settlements in one transaction, at most
	// groupWait is how long a group may wait to grow, where nothing but a commit
	// is to be saved: a repeat is harmless there, so that what a kill leaves
	// unsettled in that time costs nothing but the repeats.
	groupWait = 5 * time.Millisecond
	// groupEnough is a group that need not wait to grow.
	groupEnough = 250
)

// groupItem is a settlement on its way, and what to let go once it is written.
type groupItem struct {
	settlement Settlement
	open       *sync.WaitGroup
	slot       bool
}

// groupSettler writes outcomes in groups: whatever has come in while the last
// group was being committed is the next one, at least.
type groupSettler struct {
	ctx    context.Context
	runner *Runner
	wait   time.Duration
	wake   chan struct{} // holds a token when there is a reason to look at the items

	mu     sync.Mutex
	items  []groupItem // no more than there are in open claims
	closed bool
}

func newGroupSettler(ctx context.Context, r *Runner) *groupSettler {
	g := &groupSettler{ctx: ctx, runner: r, wake: make(chan struct{}, 1)}
	if r.Idempotent {
		g.wait = groupWait
	}
	return g
}

// add wakes the settler for the first of a group, and for what makes it ready: not for
// each of its settlements.
func (g *groupSettler) add(i groupItem) {
	g.mu.Lock()
	g.items = append(g.items, i)
	n := len(g.items)
	g.mu.Unlock()
	if n == 1 || n == groupEnough || g.runner.queue.idle() {
		g.look()
	}
}

func (g *groupSettler) look() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// close is called when nothing more will be added.
func (g *groupSettler) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.look()
}

func (g *groupSettler) run() {
	for group := g.next(); group != nil; group = g.next() {
		if err := g.runner.settle(g.ctx, g.runner.Settler, group); err != nil {
			g.runner.stop.stop(StoppedByError, err)
		}
		for _, i := range group {
			i.open.Done()
		}
	}
}

// next returns a group once there is one, and gives it time to grow if it is small;
// nil: there will be none any more.
func (g *groupSettler) next() []groupItem {
	var patience <-chan time.Time
	over := g.wait == 0
	for {
		group, waiting, closed := g.take(over)
		if group != nil || closed {
			return group
		}
		if waiting && patience == nil {
			timer := time.NewTimer(g.wait)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-g.wake:
		case <-patience:
			over = true
		}
	}
}

// take returns what is to be settled now. A group that may still grow is left waiting,
// unless the time for that is over.
func (g *groupSettler) take(over bool) (group []groupItem, waiting, closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.items), groupMax)
	if n == 0 || !over && !g.closed && n < groupEnough && !g.runner.queue.idle() {
		return nil, n > 0, g.closed
	}
	group = g.items[:n:n]
	g.items = append(make([]groupItem, 0, max(n, len(g.items)-n)), g.items[n:]...)
	return group, false, g.closed
}

// settle has a group written, reports what came of it, and frees its slots.
func (r *Runner) settle(ctx context.Context, by Settler, items []groupItem) error {
	group := make([]Settlement, len(items))
	slots := 0
	for n, i := range items {
		group[n] = i.settlement
		if i.slot {
			slots++
		}
	}
	came, err := by.Settle(ctx, group)
	r.noteSettled(group, came)
	if unmarked := r.unmarked(group, came); len(unmarked) > 0 {
		came, uerr := r.Settler.Settle(ctx, unmarked)
		r.noteSettled(unmarked, came)
		err = errors.Join(err, uerr)
	}
	r.free(slots)
	return err
}

// unmarked are the invoices that the API accepted and that the database refuses to
// mark sent: a constraint, a trigger. Where a repeat is harmless, the next run makes
// it. Else it must not be lost that the API has acted: a person, who alone can mend
// that, then resolves them as sent.
func (r *Runner) unmarked(group []Settlement, came []Settled) (all []Settlement) {
	if r.Idempotent {
		return nil
	}
	for i, s := range group {
		if s.State == Sent && came[i] == NotSettled {
			s.State, s.Doubtful, s.Answer = InDoubt, true, nil
			s.Reason = "the API accepted it, and the database refused to mark the invoice sent (the run's log says why): mend that, then resolve it as sent"
			all = append(all, s)
		}
	}
	return all
}

// noteSettled counts and reports what came of settlements.
func (r *Runner) noteSettled(group []Settlement, came []Settled) {
	for i, s := range group {
		if came[i] == SettledFully && s.State == Sent {
			r.Tally.Sent.Add(1)
			r.sentLog.Debug().Str("invoice_id", string(s.InvoiceID)).Int("attempt", s.Attempt).Int("http_status", s.Status).Msg("sent")
			continue
		}
		r.noteUnusual(s, came[i])
	}
}

// kinds are the HTTP statuses that were met; 0: no reply.
type kinds struct {
	mu  sync.Mutex
	met map[int]struct{}
}

// first says whether a status is met for the first time.
func (k *kinds) first(status int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.met[status]; known {
		return false
	}
	if k.met == nil {
		k.met = make(map[int]struct{})
	}
	k.met[status] = struct{}{}
	return true
}

func (r *Runner) noteUnusual(s Settlement, came Settled) {
	log := r.Log.With().Str("invoice_id", string(s.InvoiceID)).Int("attempt", s.Attempt).
		Int("http_status", s.Status).Str("reason", s.Reason).Logger()
	switch came {
	case SettledByAnother:
		r.Tally.TakenOver.Add(1)
		log.Warn().Str("state", string(s.State)).Msg("another run, or a person, has decided about this delivery meanwhile: its record stands")
		return
	case NotSettled:
		r.Tally.NotSettled.Add(1)
		log.Error().Str("state", string(s.State)).Msg("the database refuses to settle this delivery")
		return
	case SettledInvoiceGone:
		r.Tally.InvoiceGone.Add(1)
		log.Warn().Msg("sent, but the invoice was deleted or taken back meanwhile: only the ledger is settled")
	case SettledFully:
	}
	switch s.State {
	case Sent:
		r.Tally.Sent.Add(1)
	case Failed:
		r.Tally.Failed.Add(1)
		log.Warn().Msg("failed: the API refused it")
	case InDoubt:
		r.Tally.InDoubt.Add(1)
		log.Warn().Msg("in doubt: it is not known whether the API acted; see `batch status --in-doubt`")
	case Retry:
		if s.RunID == r.RunID { // another's, given back by a look-up, is not this run's to count down
			r.Tally.Retry.Add(1)
		}
		if s.Final {
			log.Warn().Msg("not sent: BILLING_MAX_ATTEMPTS of this run are used up; the next run tries it again")
			return
		}
		// The first of a kind is news: else an API that is away would be found out
		// only once all attempts are used up.
		if s.Reason != "" && r.retried.first(s.Status) {
			log.Warn().Str("retry_in", s.RetryIn.String()).Msg("to be tried again; more of the kind at LOG_LEVEL=debug")
			return
		}
		log.Debug().Str("retry_in", s.RetryIn.String()).Msg("to be tried again")
	case Sending:
		log.Info().Msg("effect unknown: waiting until the request can't be on its way any more")
	case Cancelled:
	}
}
