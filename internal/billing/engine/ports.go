package engine

import (
	"context"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// Ports are the edges that a run works through.
type Ports struct {
	Scanner    Scanner
	NewClaimer func() Claimer // one for each claim that is open at the same time
	Ledger     Ledger
	Unmarked   Unmarked // nil: what could not be marked is left to another run
	Renderer   Renderer
	Sender     Sender
	LookUp     LookUp  // may be nil if HasLookup is false
	Tests      Tests   // likewise
	RunLock    RunLock // nil: the run holds none
	Keeper     Keeper  // nil, with Kept: a repeat is made from the row alone
	Kept       Kept
	LookUps    LookUpRenderer // with Submitted
	Submitted  Submitted      // nil: nothing is asked about that the API has taken and not yet decided
	Standing   Standing       // nil: nobody keeps it
	Values     Values         // nil: INVOICES_ONE_PER is not set
	Failover   Failover       // nil: what is committed stays
	Rate       Rate           // nil: BILLING_RATE is this runner's own
	Rest       Rest           // nil: it is not known
}

// Rest is what is left to do for the runners that share it.
type Rest interface {
	// Runners counts them, this one included.
	Runners(ctx context.Context) (int, error)
	// CountAhead counts the pending invoices after `after` and up to `upTo`, and no more
	// than most; nil means no bound.
	CountAhead(ctx context.Context, after, upTo *billing.InvoiceID, most int) (int, error)
}

// Failover is the database as a fail-over may have left it. Whatever is committed fails with
// [billing.ErrFailedOver] on another timeline than the one that was followed last.
type Failover interface {
	// Follow follows the database to the timeline that it is on, and says whether it is
	// another one than before.
	Follow(ctx context.Context) (moved bool, err error)
	// Recorded says whether it knows that this run began.
	Recorded(ctx context.Context) (bool, error)
	// Delivered returns those of the invoices' deliveries that it has.
	Delivered(ctx context.Context, ids []billing.InvoiceID) (map[billing.InvoiceID]*billing.Delivery, error)
	// LookAny returns invoices, pending or not; of those that there are, one at least.
	LookAny(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error)
	// BeginAgain writes intents that were lost. What was begun or decided since stands.
	BeginAgain(ctx context.Context, lost []billing.Lost) error
	// RecordAgain tells other runs that all that this one remembers stands, and whether more
	// than that may be lost.
	RecordAgain(ctx context.Context, more bool) error
	// Behind names the unfinished runs that have not told so. lost: runs, the first of them,
	// have told that more may be lost.
	Behind(ctx context.Context) (runs []string, lost bool, err error)
	// Accept has the ledger trust the database as it is now.
	Accept(ctx context.Context, reason string) error
	// Doubt records that it may have forgotten what was sent, and returns how long ago the
	// newest request was sent that it knows; of what was written since a moment, nothing counts.
	Doubt(ctx context.Context, since time.Time) (age time.Duration, err error)
}

// Rate counts the runners that share BILLING_RATE.
type Rate interface {
	// Join counts this runner as one of them, if it is not yet counted, and returns how many
	// they are.
	Join(ctx context.Context) (runners int, err error)
	// Leave counts it no more.
	Leave(ctx context.Context) error
}

// Submitted is what the API has taken with a 202 and not yet decided.
type Submitted interface {
	// NextSubmitted returns the up to limit of them that are due soonest, in that order.
	NextSubmitted(ctx context.Context, limit int) ([]billing.NextSubmitted, error)
	// LookSubmitted returns invoices and their deliveries, whatever became of them; fewer
	// where rows are wide. Of one whose row can't be read only the id is known.
	LookSubmitted(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error)
}

// Values says what keeps an invoice back, where one request at a time is in flight for
// each value of INVOICES_ONE_PER.
type Values interface {
	// Lower tells of each invoice its value, and the lowest pending one of that value below
	// it that is not done with; those that are set aside hold nothing back.
	Lower(ctx context.Context, ids, aside []billing.InvoiceID) (map[billing.InvoiceID]billing.Lower, error)
}

// Standing keeps what this run's replies say about runs to come.
type Standing interface {
	// Accepted records that a request of this run was accepted: its settings are not new
	// any more, and the API asks nobody to wait.
	Accepted(ctx context.Context) error
	// Throttled records for how long, from now, it makes no sense to run again.
	Throttled(ctx context.Context, wait time.Duration) error
}

// Scanner reads candidates, without locks.
type Scanner interface {
	// Scan returns up to limit pending invoices in the order of their ids, those
	// after `after` and up to `upTo`; nil means no bound.
	Scan(ctx context.Context, after, upTo *billing.InvoiceID, limit int) ([]billing.Candidate, error)
	// Start returns the id to begin a shared run's pass after, so that runners
	// don't trip over each other: the one at place, from 0 to below 1; nil: the
	// beginning.
	Start(ctx context.Context, place float64) (*billing.InvoiceID, error)
}

// Claimer locks invoices: the lock strategy. It is used for one claim at a time.
type Claimer interface {
	// Claim locks those of the candidates that it can get without waiting. Not
	// getting one is no error. It outlives the database's restarts: nothing was
	// begun yet.
	Claim(ctx context.Context, candidates []billing.Candidate) (*billing.Claimed, error)
	// Close ends the claimer's connection, and with it whatever it still holds.
	Close(ctx context.Context) error
}

// Ledger is what the run knows and writes about deliveries.
type Ledger interface {
	// Look takes the second look, under the claim's locks: it returns those of the
	// invoices that are still pending.
	Look(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error)
	// Commit writes what begins and what ends, and returns once all of it that can be
	// is committed. It outlives the database's restarts, and what ends outlives
	// cancellation. Both stand in one transaction, if it waits for nobody; else what
	// begins is PutOff. The error says why nothing was begun, or why something is
	// NotSettled; what ended is told of all the same. What is to be sent, and whose
	// invoice can't be marked, is written as Unmarked: its settlement then says so,
	// and why.
	Commit(ctx context.Context, begin []billing.Intent, end []billing.Settlement) (billing.Committed, error)
}

// Unmarked knows the deliveries that were accepted and whose invoices could not be
// marked, whichever run they are of.
type Unmarked interface {
	// Unmarked returns up to limit of them in the order of their ids, those after
	// `after`, as settlements that make them sent.
	Unmarked(ctx context.Context, after *billing.InvoiceID, limit int) ([]billing.Settlement, error)
}

// Renderer makes the request of an invoice: the same invoice gives the same
// bytes.
type Renderer interface {
	Render(inv billing.Invoice) (billing.Request, error)
}

// LookUpRenderer makes what a look-up about an invoice needs: less of its row.
type LookUpRenderer interface {
	RenderLookUp(inv billing.Invoice) (billing.Request, error)
}

// Keeper says what of an invoice is kept for a repeat of its request, and makes the invoice
// from it again.
type Keeper interface {
	// Keep returns nil where nothing can be kept.
	Keep(inv billing.Invoice) *billing.Kept
	Recall(now billing.Invoice, kept *billing.Kept) billing.Invoice
}

// Kept reads what earlier attempts have kept, of those of the invoices that have any.
type Kept interface {
	Kept(ctx context.Context, ids []billing.InvoiceID) (map[billing.InvoiceID]*billing.Kept, error)
}

// Sender makes one attempt. It calls permit immediately before the first byte
// of the request is written, on whatever goroutine that happens, again where a
// connection proved stale before that byte, and not at all where it came to no
// connection. It writes nothing if permit returns an error (Reply.NotAsked is
// then set). It never makes two requests of one call, and its reply is Unknown
// unless it is sure.
type Sender interface {
	Send(ctx context.Context, r billing.Request, permit func() error) billing.Reply
}

// LookUp asks the API whether it has acted on an invoice.
type LookUp interface {
	LookUp(ctx context.Context, r billing.Request) billing.Found
}

// Tests is how runs have tested the look-up, and by what.
type Tests interface {
	TestReader
	TestWriter
}

// TestReader reads what a look-up is tested by.
type TestReader interface {
	// EarlierTests returns the last test under the same settings, nil if there is none,
	// and the controls that the last runs have left.
	EarlierTests(ctx context.Context, settings string) (*billing.LookUpTest, []billing.Control, error)
	// LookAny returns invoices, pending or not, and their deliveries.
	LookAny(ctx context.Context, ids []billing.InvoiceID) ([]billing.Invoice, error)
}

// TestWriter records this run's test and controls.
type TestWriter interface {
	KeepTest(ctx context.Context, t billing.LookUpTest) error
	KeepControls(ctx context.Context, all []billing.Control) error
}

// RunLock is what a run as a whole holds.
type RunLock interface {
	// Lost is closed when the lock, as it is held now, is known to be gone.
	Lost() <-chan struct{}
	// Retake takes it again. It returns an error if that can't be done, or if
	// another run that it excludes has had it since.
	Retake(ctx context.Context) error
}

// settling settles a group, and says what came of each.
type settling func(context.Context, []billing.Settlement) ([]billing.Settled, error)
