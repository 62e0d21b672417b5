package engine

import (
	"time"

	"github.com/billonce/billonce/internal/billing"
)

const (
	// aheadFactor bounds how many intents are committed ahead of their requests
	// where a repeat is harmless: commits are what costs there.
	aheadFactor = 8
	// An intent that is not sent within its life goes back to `retry` unsent.
	// Where the API is not idempotent, intents are committed just ahead of their
	// requests, and the life is short, since a recovered `sending` waits for it.
	intentLifeWithoutKeys = 5 * time.Second
	intentLifeLongest     = 2 * time.Minute
	intentLifeShortest    = time.Second
	// groupWait is how long a group of settlements may wait to grow, where nothing but a
	// commit is to be saved: a repeat is harmless there, so that what a kill leaves
	// unsettled in that time costs nothing but the repeats.
	groupWait = 5 * time.Millisecond
	// lingerPoll is how long to wait for what tells nobody when it is over.
	lingerPoll = 250 * time.Millisecond
	// pollShortest is how long to wait for what others are about to let go.
	pollShortest = 10 * time.Millisecond
)

// terms are what having keys, settling late (`row`) and a rate change in degree.
type terms struct {
	// known is what every decision depends on. Its KeyTTL is how old a key may be when
	// its request is begun, so that it arrives in time.
	known billing.Known
	// intentLife is how long after its intent was sent to the database a request may be begun. With keys it
	// is shorter than the margin that a key's age is given ([billing.KeyMargin]), so that
	// no request under a key that was judged young arrives after the API forgot it.
	intentLife time.Duration
	// holdsSlots: an attempt keeps its slot until it is settled, and is begun only once it
	// has one. Where a repeat does harm, what a kill leaves in doubt is whatever was begun
	// and not yet settled: so that is what Concurrency bounds.
	holdsSlots bool
	// ahead is how many claimed invoices are looked at again, and begun, at once.
	ahead int
	// queueLow is how many attempts may be left as the next ones are queued: enough
	// for the senders to go on with.
	queueLow int
	// groupWait is how long a group of settlements may wait to grow.
	groupWait time.Duration

	claims     int   // open at the same time
	mostClaims int   // the same, where others stand in for slow ones
	claimMost  []int // invoices of each, at most
	claimLeast int   // of each, where the size adapts
}

func newTerms(c Config) terms {
	t := terms{
		known:      billing.Known{Idempotent: c.Idempotent, KeyTTL: c.KeyTTL - c.Timeout, HasLookup: c.HasLookup && !c.LookUpByReply},
		intentLife: intentLifeWithoutKeys, holdsSlots: !c.Idempotent,
		ahead: aheadFactor * c.Concurrency, queueLow: c.Concurrency,
		claims: c.Claims, mostClaims: c.MostClaims,
	}
	if c.Idempotent {
		t.intentLife = max(intentLifeShortest, min(intentLifeLongest, billing.KeyMargin(t.known.KeyTTL)/2))
		t.groupWait = groupWait
	}
	if c.SettlesLate {
		t.claims = min(c.Claims, c.Concurrency)
		t.mostClaims = t.claims
	}
	// All senders are busy while one claim is being settled and the next one locked.
	t.claimLeast = max(1, 2*c.Concurrency/max(1, t.claims))
	for n := range t.claims {
		t.claimMost = append(t.claimMost, min(c.ClaimSize, t.share(c, n)))
	}
	return t
}

// share is how many invoices the n-th claim may have beside the others. One that
// settles late is small: nobody else may touch its rows until its slowest request has
// ended. Where its attempts hold their slots until then, the claims share the slots out
// beforehand: else each would wait for the others'.
func (t terms) share(c Config, n int) int {
	switch {
	case !c.SettlesLate:
		return c.ClaimSize
	case !t.holdsSlots:
		return c.Concurrency
	}
	share := c.Concurrency / t.claims
	if n < c.Concurrency%t.claims {
		share++
	}
	return share
}
