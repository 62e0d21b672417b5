package billing

import (
	"context"
	"sync"
)

const (
	groupMax   = 1000 // settlements in one transaction, at most
	groupQueue = 1000
)

type groupItem struct {
	settlement Settlement
	open       *sync.WaitGroup
}

// groupSettler writes outcomes in groups: whatever has come in while the last
// group was being committed is the next one. So a group is as large as the
// database is slow, and a lone outcome does not wait.
type groupSettler struct {
	ctx    context.Context
	runner *Runner
	in     chan groupItem
}

func newGroupSettler(ctx context.Context, r *Runner) *groupSettler {
	return &groupSettler{ctx: ctx, runner: r, in: make(chan groupItem, groupQueue)}
}

func (g *groupSettler) add(i groupItem) { g.in <- i }

// close is called when nothing more will be added.
func (g *groupSettler) close() { close(g.in) }

func (g *groupSettler) run() {
	group := make([]Settlement, 0, groupMax)
	open := make([]*sync.WaitGroup, 0, groupMax)
	for item := range g.in {
		group, open = append(group[:0], item.settlement), append(open[:0], item.open)
		for more := true; more && len(group) < groupMax; {
			select {
			case item, ok := <-g.in:
				if more = ok; ok {
					group, open = append(group, item.settlement), append(open, item.open)
				}
			default:
				more = false
			}
		}
		came, err := g.runner.Settler.Settle(g.ctx, group)
		if err != nil {
			g.runner.stop.stop(StoppedByError, err)
		}
		g.runner.noteSettled(group, came)
		for _, o := range open {
			o.Done()
		}
	}
}

// noteSettled counts and reports what came of settlements.
func (r *Runner) noteSettled(group []Settlement, came []Settled) {
	for i, s := range group {
		if came[i] == SettledFully && s.State == Sent {
			r.Tally.Sent.Add(1)
			continue
		}
		r.noteUnusual(s, came[i])
	}
}

func (r *Runner) noteUnusual(s Settlement, came Settled) {
	log := r.Log.With().Str("invoice_id", string(s.InvoiceID)).Int("attempt", s.Attempt).
		Int("http_status", s.Status).Str("reason", s.Reason).Logger()
	switch came {
	case SettledByAnother:
		r.Tally.TakenOver.Add(1)
		log.Warn().Str("state", string(s.State)).Msg("another run has taken this delivery over: its record stands")
		return
	case NotSettled:
		r.Tally.NotSettled.Add(1)
		log.Error().Str("state", string(s.State)).Msg("the database refuses to settle this delivery: it stays `sending`")
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
		log.Warn().Msg("in doubt: it is not known whether the API acted; see `batch status`")
	case Retry:
		r.Tally.Retry.Add(1)
		log.Debug().Dur("retry_in", s.RetryIn).Msg("to be tried again")
	case Sending:
		log.Info().Msg("effect unknown: waiting until the request can't be on its way any more")
	case Cancelled:
	}
}
