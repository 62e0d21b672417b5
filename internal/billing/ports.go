package billing

import (
	"context"
	"time"
)

// Sender makes one attempt. It calls permit immediately before the first byte
// of the request is written, on whatever goroutine that happens, again where a
// connection proved stale before that byte, and not at all where it came to no
// connection. It writes nothing if permit returns an error (Reply.NotAsked is
// then set). It never makes two requests of one call, and its reply is Unknown
// unless it is sure.
type Sender interface {
	Send(ctx context.Context, m Message, permit func() error) Reply
}

// Reconciler asks the API whether it has acted on an invoice.
type Reconciler interface {
	LookUp(ctx context.Context, m Message) (Finding, string)
}

// Renderer makes the request of an invoice: the same invoice gives the same
// bytes.
type Renderer interface {
	Render(inv Invoice) (Message, error)
}

// RunLock is what a run as a whole holds.
type RunLock interface {
	// Lost is closed when the lock, as it is held now, is known to be gone.
	Lost() <-chan struct{}
	// Retake takes it again. It returns an error if that can't be done, or if
	// another run that it excludes has had it since.
	Retake(ctx context.Context) error
}

// Scanner reads candidates, without locks.
type Scanner interface {
	// Scan returns up to limit pending invoices in the order of their ids, those
	// after `after` and up to `upTo`; nil means no bound.
	Scan(ctx context.Context, after, upTo *InvoiceID, limit int) ([]Candidate, error)
	// Start returns the id to begin a shared run's pass after, so that runners
	// don't trip over each other: the one at place, from 0 to below 1; nil: the
	// beginning.
	Start(ctx context.Context, place float64) (*InvoiceID, error)
}

// Claimer locks invoices: the lock strategy. Each lane has one of its own,
// and uses it for one claim at a time.
type Claimer interface {
	// Claim locks those of the candidates that it can get without waiting. Not
	// getting one is no error. It outlives the database's restarts: nothing was
	// begun yet.
	Claim(ctx context.Context, candidates []Candidate) (*Claim, error)
	// Close ends the claimer's connection, and with it whatever it still holds.
	Close(ctx context.Context) error
}

// Claim is a set of invoices that are locked in one open transaction.
type Claim struct {
	IDs         []InvoiceID       // locked, in the order of the candidates
	Recoverable map[InvoiceID]int // of those, the attempt whose `sending` may be taken over: both locks were got
	Lost        <-chan struct{}   // closed when the claim's connection is known to be gone
	Settler     Settler           // not nil: only the claim's own transaction may settle, as it ends
	Release     func(context.Context) error
}

// Looker takes the second look, under the claim's locks.
type Looker interface {
	// Look returns those of the invoices that are still pending.
	Look(ctx context.Context, ids []InvoiceID) ([]Invoice, error)
}

// Intender commits intents.
type Intender interface {
	// Intend returns, once they are committed, which of the intents are in the
	// ledger as this run's own: only their requests may be sent. The ledger
	// keeps that after deadline, counted from the commit, none of them can
	// still be on its way; the caller sees to it.
	Intend(ctx context.Context, intents []Intent, deadline time.Duration) (map[InvoiceID]struct{}, error)
}

// Settler writes outcomes down.
type Settler interface {
	// Settle returns what came of each settlement, in their order, once all that
	// can be is committed. It outlives cancellation and the database's restarts.
	// The error says why something is NotSettled.
	Settle(ctx context.Context, s []Settlement) ([]Settled, error)
}
