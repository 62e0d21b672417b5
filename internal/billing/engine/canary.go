package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
)

// canary sends what goes before everything else: a few untried invoices from all over the
// book, where the settings are new or RUN_CANARY asks for it, and one where the API has
// asked earlier runs to wait.
type canary struct {
	first    int // requests; 0: none go first
	claim    int // invoices of one claim, at most: one that settles late must not wait for its own slots
	scan     *scan
	producer *producer
	budget   *budget
	heard    *heard
	pace     *pace
	stop     *stopper
	log      zerolog.Logger
	place    float64 // in the book, of the last probe
}

// send returns once the rest may follow, or stops the run.
func (c *canary) send(ctx context.Context) error {
	if c.first == 0 {
		return nil
	}
	met := map[billing.InvoiceID]bool{}
	var wait time.Duration // until the first that was throttled is due
	fits := func(i billing.Candidate) bool {
		throttled := i.State == billing.Retry && i.RunID == c.scan.runID && i.RunAttempt == 0
		if throttled && i.DueIn > 0 && (wait == 0 || i.DueIn < wait) {
			wait = i.DueIn
		}
		return throttled && i.DueIn <= 0 || i.State == "" && !met[i.ID]
	}
	for !c.stop.stopped() && c.heard.accepted.Load() == 0 && int(c.heard.decided.Load()) < c.first {
		n := c.budget.take(min(c.first-int(c.heard.decided.Load()), c.claim))
		wait = 0
		begun := 0
		page, err := c.scan.sample(ctx, n, rand.Float64(), fits)
		if err == nil && len(page) > 0 {
			begun, err = c.producer.sendThese(ctx, page)
		}
		for _, i := range page {
			met[i.ID] = begun == 0 // no request can be made of them, or others hold them
		}
		c.budget.give(n - begun)
		if err != nil {
			return c.stop.unlessStopped(ctx, err)
		}
		switch {
		case len(page) > 0:
		case wait > 0 && wait <= c.pace.linger() && n > 0:
			c.stop.wait(wait)
		default:
			return c.judge()
		}
	}
	return c.judge()
}

// judge stops the run where something was sent and nothing of it accepted.
func (c *canary) judge() error {
	sent, accepted := c.heard.decided.Load(), c.heard.accepted.Load()
	switch {
	case c.stop.stopped() || sent == 0:
	case accepted == 0:
		c.log.Error().Int64("canary", sent).Msg("stopping: of the invoices that were sent first none was accepted, and nothing else was sent. " +
			"Look at them (`batch status`) and at the settings, then run again")
		c.stop.stop(billing.StoppedByCanary, nil)
	default:
		c.log.Info().Int64("canary", sent).Int64("accepted", accepted).Msg("some of the first invoices were accepted: sending the rest")
	}
	return nil
}

const (
	// probesMost is how many invoices are looked at for one that is not of an account that
	// is held back.
	probesMost = 20
	// probeAmong is among how many of the first invoices of values one is chosen.
	probeAmong = 200
)

// probe asks the API whether it takes requests again, with one at a time from elsewhere
// in the book, for as long as the pace has no other answer.
func (c *canary) probe(ctx context.Context) error {
	met := map[billing.InvoiceID]bool{}
	for c.pace.probing() && !c.stop.stopped() {
		if len(met) == probesMost {
			c.pace.endProbe()
			return nil
		}
		n, begun := c.budget.take(1), 0
		page, err := c.elsewhere(ctx, n, met)
		if err == nil && len(page) > 0 {
			met[page[0].ID] = true
			begun, err = c.producer.sendThese(ctx, page)
		}
		c.budget.give(n - begun)
		if err != nil {
			return c.stop.unlessStopped(ctx, err)
		}
		if len(page) == 0 {
			c.pace.endProbe()
		}
	}
	return nil
}

// elsewhere finds up to n invoices, one at most, far from the last one and not met yet: one
// that is untried, or else one that is due again, which may have been throttled before.
func (c *canary) elsewhere(ctx context.Context, n int, met map[billing.InvoiceID]bool) ([]billing.Candidate, error) {
	// The golden ratio keeps places apart, however many there are.
	_, c.place = math.Modf(c.place + math.Phi)
	among := 1
	if c.scan.onePer != nil {
		among = probeAmong // the search begins with the first
	}
	var untried, due []billing.Candidate
	_, err := c.scan.sample(ctx, n, c.place, func(i billing.Candidate) bool {
		switch {
		case met[i.ID]:
		case i.State == "":
			untried = append(untried, i)
		case len(due) < among && i.State == billing.Retry && i.DueIn <= 0 && (i.RunID != c.scan.runID || i.RunAttempt < c.scan.maxAttempts):
			due = append(due, i)
		}
		return len(untried) == among
	})
	if len(untried) == 0 {
		untried = due
	}
	if len(untried) == 0 || err != nil {
		return nil, err
	}
	at := int(c.place * float64(len(untried)))
	return untried[at : at+1], nil
}
