package billing

import (
	"strings"
	"sync/atomic"
	"time"
)

// Exit codes of a run.
const (
	ExitDone    = 0 // nothing is left to do
	ExitError   = 1 // unexpected error
	ExitUsage   = 2 // usage or configuration; nothing was touched
	ExitPerson  = 3 // finished, and a person is needed
	ExitStopped = 4 // stopped early, or something is left for the next run
	ExitRefused = 5 // the environment is not safe
)

// StopReason says why a run ended before its work did; empty if it did not.
type StopReason string

// Why a run stops.
const (
	StoppedBySignal   StopReason = "signal"
	StoppedByDeadline StopReason = "deadline"
	StoppedByBreaker  StopReason = "breaker"
	StoppedByLockLost StopReason = "lock_lost"
	StoppedByLimit    StopReason = "limit"
	StoppedByThrottle StopReason = "throttled"
	StoppedByCanary   StopReason = "canary"
	StoppedByPause    StopReason = "paused"
	StoppedByTable    StopReason = "table_held"
	StoppedByFailover StopReason = "failover"
	StoppedByError    StopReason = "error"
)

// InWords is the reason as people read it.
func (r StopReason) InWords() string { return strings.ReplaceAll(string(r), "_", " ") }

// Tally counts what a run has done so far; Retry is a gauge. It may be read
// while the run goes on.
type Tally struct {
	Requests, Sent, Failed, InDoubt, Retry         atomic.Int64
	Recovered, TakenOver, InvoiceGone, NotAsked    atomic.Int64
	Unrendered, NotSettled, Candidates, HeldByThem atomic.Int64
	Unmarked                                       atomic.Int64 // accepted, and not marked yet; once the run has ended: whoever left it
	LookedUp                                       atomic.Int64
	LeftSending                                    atomic.Bool // deliveries were left as they were until their requests can no longer arrive
	Pace                                           Pacing
}

// Left is what the last pass over the table found that this run can't finish.
type Left struct {
	Held        int // locked by others
	Waiting     int // due for another attempt later, or waiting for a request's deadline
	Exhausted   int // this run's attempts are used up
	HeldByRetry int // a lower one of the same value is to be tried again (INVOICES_ONE_PER)
	HeldByDoubt int // a lower one of the same value is in doubt (INVOICES_ONE_PER)
}

// Earlier counts pending invoices whose deliveries earlier runs have ended.
type Earlier struct {
	Sent, Failed, InDoubt, Cancelled int
	SentIDs                          []InvoiceID // the first of them, [MostPendingAgain] at most
	Whole                            bool        // the whole table was seen
}

// Summary is what a run came to.
type Summary struct {
	Sent        int64 `json:"sent"`
	Failed      int64 `json:"failed"`
	InDoubt     int64 `json:"in_doubt"`
	Retry       int64 `json:"retry"`                   // due for another attempt, by a later run
	HeldByOther int64 `json:"held"`                    // locked by others as the run ended
	HeldByDoubt int   `json:"held_by_doubt,omitempty"` // a lower one of the same INVOICES_ONE_PER value is in doubt
	Requests    int64 `json:"requests"`                // attempts whose request may have left
	Recovered   int64 `json:"recovered"`               // taken over from a sender that is gone
	TakenOver   int64 `json:"taken_over"`              // settled by another run before this one could
	InvoiceGone int64 `json:"invoice_gone"`            // deleted or taken back while the request was in flight
	Unrendered  int64 `json:"unrendered"`              // no request could be made of the row
	Unmarked    int64 `json:"unmarked"`                // accepted, and not marked as the run ended, whoever left it
	NotSettled  int64 `json:"not_settled,omitempty"`   // replied to, and not written down
	LeftSending bool  `json:"left_sending,omitempty"`  // some were left `sending`, and may have been decided since
	LookedUp    int64 `json:"looked_up"`               // decided by look-up
	Submitted   int64 `json:"submitted"`               // taken by the API, which has still to say what became of it; whoever sent it

	EarlierFailed    int `json:"earlier_failed"`    // pending, failed before this run
	EarlierInDoubt   int `json:"earlier_in_doubt"`  // pending, in doubt since before this run
	EarlierCancelled int `json:"earlier_cancelled"` // pending, kept back by a person
	AlreadySent      int `json:"already_sent"`      // pending again though sent: not sent twice

	Throttled  int64       `json:"throttled,omitempty"`   // requests that the API answered with: too many
	LowestPace *LowestPace `json:"lowest_pace,omitempty"` // nil: nothing slowed the run down

	FoundSetAside FoundSetAside `json:"-"`
	Open          int64         `json:"open"`          // waits for a person, whoever left it
	PendingAgain  int64         `json:"pending_again"` // of those, pending though sent
	SetAside      int64         `json:"set_aside"`     // of those, no request can be built, or their SQL fails
	Cancelled     int64         `json:"cancelled"`     // pending, kept back by a person; not open

	Counted   bool         `json:"-"` // what is open was counted as the run ended
	OpenFound PendingAgain `json:"-"`
	AllOpen   Open         `json:"-"`

	Candidates int64         `json:"candidates"` // invoices that the run tried to lock
	Wasted     int64         `json:"wasted"`     // of those, the ones that somebody else held
	Stopped    StopReason    `json:"stopped,omitempty"`
	NotBefore  *time.Time    `json:"not_before,omitempty"` // throttled: it makes no sense to run again before
	Elapsed    time.Duration `json:"-"`
	ElapsedMS  int64         `json:"elapsed_ms"`
	Err        error         `json:"-"`
}

// ExitCode is the run's exit code.
func (s Summary) ExitCode() int {
	switch {
	case s.Stopped == StoppedByFailover:
		return ExitRefused
	case s.Stopped == StoppedByError:
		return ExitError
	case s.Stopped != "" && s.Stopped != StoppedByLimit:
		return ExitStopped
	case s.Stopped == "" && s.Retry+s.HeldByOther > 0:
		return ExitStopped
	case s.HeldByDoubt > 0, s.Open+s.Unrendered+s.Unmarked > 0:
		return ExitPerson
	case s.Counted:
		return ExitDone
	case s.Failed+s.InDoubt > 0, s.EarlierFailed+s.EarlierInDoubt+s.AlreadySent > 0:
		return ExitPerson
	}
	return ExitDone
}

// CountOpen takes in what was counted as the run ended.
func (s *Summary) CountOpen(o Open) {
	s.Counted, s.AllOpen = true, o
	s.Open, s.PendingAgain, s.SetAside = o.Count, o.Of[OpenPendingAgain], o.Of[OpenSetAside]
}

// Summarize makes the summary of a run that has ended.
func Summarize(t *Tally, left Left, earlier Earlier, elapsed time.Duration, reason StopReason, err error) Summary {
	// The last pass has seen all that waits; a run that was stopped had none, and
	// knows what it has put there itself.
	retry := int64(left.Waiting + left.Exhausted + left.HeldByRetry)
	if reason != "" {
		retry = t.Retry.Load()
	}
	pace := t.Pace.Now(time.Now())
	return Summary{
		Throttled: pace.Throttled, LowestPace: pace.Lowest,
		Sent: t.Sent.Load(), Failed: t.Failed.Load(), InDoubt: t.InDoubt.Load(),
		Retry:       retry,
		HeldByOther: int64(left.Held),
		HeldByDoubt: left.HeldByDoubt,
		Requests:    t.Requests.Load(), Recovered: t.Recovered.Load(), TakenOver: t.TakenOver.Load(),
		InvoiceGone: t.InvoiceGone.Load(), Unrendered: t.Unrendered.Load(), Unmarked: t.Unmarked.Load(), LookedUp: t.LookedUp.Load(),
		NotSettled: t.NotSettled.Load(), LeftSending: t.LeftSending.Load(),
		EarlierFailed: earlier.Failed, EarlierInDoubt: earlier.InDoubt,
		EarlierCancelled: earlier.Cancelled, AlreadySent: earlier.Sent,
		Cancelled:  int64(earlier.Cancelled),
		OpenFound:  PendingAgain{earlier.Sent, earlier.SentIDs, earlier.Whole},
		Candidates: t.Candidates.Load(), Wasted: t.HeldByThem.Load(),
		Stopped: reason, Elapsed: elapsed, ElapsedMS: elapsed.Milliseconds(), Err: err,
	}
}
