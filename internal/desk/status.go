package desk

import (
	"time"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing"
)

// Status is what an operator sees of a book of invoices.
type Status struct {
	At             time.Time               `json:"at"`
	TimeZone       string                  `json:"time_zone"` // whose midnight today began at: the session's, as that of current_date in INVOICES_PENDING
	Paused         *billing.Pause          `json:"paused,omitempty"`
	NotBefore      *time.Time              `json:"not_before,omitempty"`        // the billing API has said that it takes no more requests before; nil: it takes some
	Identity       billing.Identity        `json:"identity"`                    // of the database
	Accepted       *billing.Identity       `json:"accepted_identity,omitempty"` // the one that the ledger trusts; nil: none yet
	Trusted        *Trust                  `json:"trusted,omitempty"`           // who says so
	Pending        int64                   `json:"pending"`
	PendingUnknown bool                    `json:"pending_unknown,omitempty"` // INVOICES_PENDING fails on a row: they are not counted
	Deliveries     map[billing.State]int64 `json:"deliveries"`                // no `sent`: it is not known
	Estimated      bool                    `json:"estimated"`                 // the ledger is large: sent is PostgreSQL's estimate, sent_today what the runs that ended today say
	SentToday      int64                   `json:"sent_today"`
	Sending        Sending                 `json:"sending"`
	RetryDueAt     *time.Time              `json:"retry_due_at,omitempty"` // the next one
	RetryDueIn     time.Duration           `json:"-"`
	Throttled      int64                   `json:"throttled"` // of those in retry: the API asked the runs under way for a slower pace
	Failed         []FailedReason          `json:"failed"`
	InDoubtSince   *time.Time              `json:"in_doubt_since,omitempty"` // the oldest
	InDoubtFor     time.Duration           `json:"-"`
	SubmittedSince *time.Time              `json:"submitted_since,omitempty"`  // since when the API has the oldest
	SubmittedDueAt *time.Time              `json:"submitted_due_at,omitempty"` // when the next is looked up, if a run is there
	SubmittedDueIn time.Duration           `json:"-"`
	Runs           []Run                   `json:"runs"`                 // the last ones, youngest first
	Reconciled     *Reconciled             `json:"reconciled,omitempty"` // the last time
	Open           *OpenCount              `json:"open,omitempty"`       // nil: no run has counted it yet
	RunLock        RunLock                 `json:"run_lock"`
	Rate           RunLock                 `json:"rate"` // who shares BILLING_RATE; its name is the ledger's id
	HeldBack       []HeldBack              `json:"held_back,omitempty"`
	InvoiceLocks   int                     `json:"invoice_locks"` // advisory locks in the invoices' key space, now
}

// FailedReason is why deliveries failed.
type FailedReason struct {
	Count      int64             `json:"count"`
	HTTPStatus int               `json:"http_status,omitempty"`
	Error      string            `json:"error"`   // of one of them
	Example    billing.InvoiceID `json:"example"` // one of them
}

// RunLock says who holds the run lock, or the rate's, and under which key pg_locks shows it.
type RunLock struct {
	Name    string            `json:"name"`
	Key     string            `json:"key"` // classid,objid in pg_locks
	Holders []advisory.Holder `json:"holders"`
}

// HeldBack is a value of INVOICES_ONE_PER whose invoices wait for one delivery.
type HeldBack struct {
	Value     string            `json:"value"`
	InvoiceID billing.InvoiceID `json:"invoice_id"` // of the delivery
	State     billing.State     `json:"state"`
	Count     int64             `json:"count"` // of those that wait; a thousand: or more
}

// Sending tells the deliveries that are under way from those whose runner is gone.
type Sending struct {
	Alive    []AliveRunner `json:"alive"`
	Orphaned int           `json:"orphaned"` // nobody holds their locks: a run takes them over
	// AtLeast: more invoices are pending than were looked up.
	AtLeast bool `json:"at_least"`
}

// AliveRunner is a runner that has deliveries under way.
type AliveRunner struct {
	Application string    `json:"application"`
	Count       int       `json:"count"`
	Since       time.Time `json:"since"` // its oldest intent
}

// Run is a row of the ledger's runs.
type Run struct {
	ID           string            `json:"run_id"`
	Name         string            `json:"name"`
	Strategy     string            `json:"lock_strategy"`
	RunLock      string            `json:"run_lock"`
	Application  string            `json:"application"`
	Version      string            `json:"version"`
	StartedAt    time.Time         `json:"started_at"`
	FinishedAt   *time.Time        `json:"finished_at,omitempty"`
	ExitCode     *int              `json:"exit_code,omitempty"`
	Summary      *billing.Summary  `json:"summary,omitempty"`
	WrittenOffAt *time.Time        `json:"written_off_at,omitempty"` // when it was found that it had been killed
	Changed      []string          `json:"changed,omitempty"`        // settings that decide what is sent and what it means, against the run before
	Identity     *billing.Identity `json:"identity,omitempty"`       // of the database as it saw it
	Alive        bool              `json:"alive"`                    // not finished, and its process is connected
}
